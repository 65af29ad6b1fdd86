-- Metrics of producers (CONTRACT.md §7): the projection beside their leaves in `system`. Columns are named as the leaf's members.

create table sworn.telemetry_batches (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  service text,
  environment text,
  instance text,
  host_id text,
  -- A token.
  host_name text,
  process_pid bigint,
  container_id text,
  pod_uid text,
  metrics integer not null check (metrics > 0),
  points integer not null check (points > 0),
  -- Of its first point, and of its last, else when it came in.
  first_at timestamptz,
  occurred_at timestamptz not null,
  primary key (tenant_id, log, leaf_index)
);
-- A run is joined by the first of these that both name, then by time.
create index telemetry_batches_instance on sworn.telemetry_batches (tenant_id, instance, occurred_at, leaf_index) where instance is not null;
create index telemetry_batches_process on sworn.telemetry_batches (tenant_id, host_id, process_pid, occurred_at, leaf_index)
  where host_id is not null and process_pid is not null;
create index telemetry_batches_container on sworn.telemetry_batches (tenant_id, container_id, occurred_at, leaf_index) where container_id is not null;
create index telemetry_batches_pod on sworn.telemetry_batches (tenant_id, pod_uid, occurred_at, leaf_index) where pod_uid is not null;
create index telemetry_batches_host on sworn.telemetry_batches (tenant_id, host_id, occurred_at, leaf_index) where host_id is not null;
create index telemetry_batches_host_name on sworn.telemetry_batches (tenant_id, host_name, occurred_at, leaf_index) where host_name is not null;
create index telemetry_batches_service on sworn.telemetry_batches (tenant_id, service, occurred_at, leaf_index) where service is not null;
create index telemetry_batches_occurred on sworn.telemetry_batches (tenant_id, log, occurred_at, leaf_index);

-- The walls, as for every projection (0003); the statistics, as in 0010.
do $walls$
declare
  of_table text;
begin
  foreach of_table in array array['telemetry_batches'] loop
    execute format('alter table sworn.%I enable row level security', of_table);
    execute format('alter table sworn.%I force row level security', of_table);
    execute format($policy$
      create policy tenant_wall on sworn.%I
       using (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)
        with check (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)$policy$, of_table);
    execute format('create policy checker_reads_all on sworn.%I for select to %I using (true)', of_table, :'checker');
    execute format('create trigger append_only before update or delete on sworn.%I for each row execute function sworn.refuse_change(''removable'')', of_table);
    execute format('create trigger no_truncate before truncate on sworn.%I for each statement execute function sworn.refuse_truncate()', of_table);
    execute format($trigger$
      create trigger tenant_wall after insert or update on sworn.%I for each row
        when (new.tenant_id is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid)
        execute function sworn.refuse_row('the row is of another tenant than the transaction')$trigger$, of_table);
    execute format('alter table sworn.%I alter column tenant_id set statistics 0, alter column log set statistics 0', of_table);
  end loop;
end
$walls$;
grant insert on sworn.telemetry_batches to :"writer";
grant select on sworn.telemetry_batches to :"reader", :"checker";
grant delete, select (tenant_id, log, leaf_index) on sworn.telemetry_batches to :"remover";

-- `retain` as in 0015, and these rows go with their leaves.
grant create on schema sworn to :"remover";
set local role :"remover";
create or replace function sworn.retain(of_tenant uuid, of_log text, below bigint, chunk integer) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  topic constant text := split_part(of_log, '.', 1);
  floor interval;
  upto bigint;
  removed bigint;
begin
  if of_tenant is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid or of_tenant is null then
    raise exception 'retain: another tenant than the transaction''s' using errcode = 'SW002';
  end if;
  if chunk is null or chunk not between 1 and 10000 then
    raise exception 'retain: a chunk is 1 to 10000 leaves' using errcode = 'SW005';
  end if;
  perform sworn.refuse_held(of_tenant);
  if topic in ('llm-runs', 'system') then
    select case when synthetic then interval '7 days' else interval '183 days' end into floor from sworn.tenant where tenant_id = of_tenant;
  elsif topic = 'access' then
    floor := interval '396 days';
  end if;
  if floor is null then
    raise exception 'retain: this log is never removed' using errcode = 'SW006';
  end if;
  if not exists (
    select from sworn.proven_control(of_tenant, 'RETENTION') allowed
     where allowed ->> 'of' = of_log and (allowed ->> 'below')::bigint >= below)
  then
    raise exception 'retain: no proven RETENTION leaf allows it' using errcode = 'SW003';
  end if;
  -- recorded_at never goes back within a log (V7), so the newest leaf of the prefix speaks for all of it.
  if (select recorded_at from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < below order by leaf_index desc limit 1)
     > clock_timestamp() - floor
  then
    raise exception 'retain: younger than the floor' using errcode = 'SW006';
  end if;
  select max(leaf_index) + 1 into upto from (
    select leaf_index from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < below order by leaf_index limit chunk) oldest;
  if upto is null then
    return 0;
  end if;
  delete from sworn.llm_run_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.run_names where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.run_members where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.resources where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.system_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.audit_ledger where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.telemetry_batches where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.access_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  get diagnostics removed = row_count;
  return removed;
end
$$;

set local role :"owner";
revoke create on schema sworn from :"remover";
