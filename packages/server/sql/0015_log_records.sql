-- Log records of producers (CONTRACT.md §3 and §7): projections beside their leaves in `system` and `audit`. Columns are named as the leaf's members.

create table sworn.system_records (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  event_type text not null check (event_type in ('STARTUP', 'SHUTDOWN', 'RESTART', 'DEPLOY', 'MIGRATION', 'AUTH_CHANGE', 'CONFIG_CHANGE', 'ERROR',
    'HEALTH_CHECK', 'SCALE', 'EVICTION', 'OOM', 'THROTTLED', 'DISK', 'PROVIDER_OUTAGE', 'TELEMETRY_GAP', 'LOG')),
  -- Index of the leaf that has the event key, beside a CONFLICT.
  conflict_of bigint,
  event_name text,
  severity text not null check (severity in ('INFO', 'WARN', 'CRITICAL')),
  component text,
  service text,
  instance text,
  correlation_id text,
  trace_id bytea check (octet_length(trace_id) = 16),
  occurred_at timestamptz not null,
  primary key (tenant_id, log, leaf_index)
);
create index system_records_occurred on sworn.system_records (tenant_id, log, occurred_at, leaf_index);
create index system_records_type on sworn.system_records (tenant_id, event_type, leaf_index);
create index system_records_severity on sworn.system_records (tenant_id, severity, leaf_index);
create index system_records_component on sworn.system_records (tenant_id, component, leaf_index) where component is not null;
create index system_records_service on sworn.system_records (tenant_id, service, leaf_index) where service is not null;
create index system_records_instance on sworn.system_records (tenant_id, instance, leaf_index) where instance is not null;
create index system_records_correlation on sworn.system_records (tenant_id, correlation_id, leaf_index) where correlation_id is not null;
create index system_records_trace on sworn.system_records (tenant_id, trace_id, leaf_index) where trace_id is not null;
create index system_records_conflict on sworn.system_records (tenant_id, conflict_of, leaf_index) where conflict_of is not null;

create table sworn.audit_ledger (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  event_type text not null,
  conflict_of bigint,
  category text check (category in ('THRESHOLD_CHECK', 'POLICY_EVALUATION', 'NEAR_BREACH', 'VIOLATION', 'OVERRIDE', 'APPROVAL_REQUEST',
    'APPROVAL_DECISION', 'EVALUATION')),
  entity_type text,
  entity_id text,
  actor_type text check (actor_type in ('HUMAN', 'AGENT', 'SYSTEM')),
  -- Of a human, a token.
  actor_id text,
  action text,
  decision text check (decision in ('ALLOW', 'DENY', 'CONDITIONAL', 'PENDING', 'NONE')),
  run_id text,
  policy_id text,
  incident_id text,
  correlation_id text,
  trace_id bytea check (octet_length(trace_id) = 16),
  service text,
  occurred_at timestamptz not null,
  primary key (tenant_id, log, leaf_index)
);
create index audit_ledger_occurred on sworn.audit_ledger (tenant_id, log, occurred_at, leaf_index);
create index audit_ledger_type on sworn.audit_ledger (tenant_id, event_type, leaf_index);
create index audit_ledger_category on sworn.audit_ledger (tenant_id, category, leaf_index) where category is not null;
create index audit_ledger_entity on sworn.audit_ledger (tenant_id, entity_id, leaf_index) where entity_id is not null;
create index audit_ledger_entity_type on sworn.audit_ledger (tenant_id, entity_type, leaf_index) where entity_type is not null;
create index audit_ledger_actor on sworn.audit_ledger (tenant_id, actor_id, leaf_index) where actor_id is not null;
create index audit_ledger_actor_type on sworn.audit_ledger (tenant_id, actor_type, leaf_index) where actor_type is not null;
create index audit_ledger_decision on sworn.audit_ledger (tenant_id, decision, leaf_index) where decision is not null;
create index audit_ledger_run on sworn.audit_ledger (tenant_id, run_id, leaf_index) where run_id is not null;
create index audit_ledger_policy on sworn.audit_ledger (tenant_id, policy_id, leaf_index) where policy_id is not null;
create index audit_ledger_incident on sworn.audit_ledger (tenant_id, incident_id, leaf_index) where incident_id is not null;
create index audit_ledger_correlation on sworn.audit_ledger (tenant_id, correlation_id, leaf_index) where correlation_id is not null;
create index audit_ledger_trace on sworn.audit_ledger (tenant_id, trace_id, leaf_index) where trace_id is not null;
create index audit_ledger_conflict on sworn.audit_ledger (tenant_id, conflict_of, leaf_index) where conflict_of is not null;

-- The walls, as for every projection (0003); the statistics, as in 0010.
do $walls$
declare
  of_table text;
begin
  foreach of_table in array array['system_records', 'audit_ledger'] loop
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
grant insert on sworn.system_records, sworn.audit_ledger to :"writer";
grant select on sworn.system_records, sworn.audit_ledger to :"reader", :"checker";
grant delete, select (tenant_id, log, leaf_index) on sworn.system_records, sworn.audit_ledger to :"remover";

-- `retain` as in 0006, and these rows go with their leaves. (`audit` is never removed: its line is there so that no table of the kind is left out.)
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
  delete from sworn.access_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  get diagnostics removed = row_count;
  return removed;
end
$$;

set local role :"owner";
revoke create on schema sworn from :"remover";
