-- Lists: whatever endpoint 1 filters by leads to its runs by an index, newest first, however many others there are (docs/lists.md).

-- Names a revision of a run uses, of which it may use several; one row a name, beside the row of `llm_run_records` at the same leaf.
create table sworn.run_names (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  field text not null check (field in ('tool', 'policy', 'incident')),
  value text not null,
  run_index bigint not null,
  primary key (tenant_id, log, leaf_index, field, value)
);
create index run_names_value on sworn.run_names (tenant_id, log, field, value, run_index, leaf_index);

-- Rows that are there already. Forced row-level security binds the owner too, who sees no tenant's rows; nobody else does meanwhile.
alter table sworn.llm_run_records no force row level security;
insert into sworn.run_names (tenant_id, log, leaf_index, field, value, run_index)
select r.tenant_id, r.log, r.leaf_index, n.field, n.value, r.run_index
  from sworn.llm_run_records r
 cross join lateral (
   select 'tool' as field, unnest(r.tools) as value
   union select 'policy', unnest(r.policy_ids)
   union select 'incident', unnest(r.incident_ids)) n;
alter table sworn.llm_run_records force row level security;

-- The walls, as for every projection (0003).
alter table sworn.run_names enable row level security;
alter table sworn.run_names force row level security;
create policy tenant_wall on sworn.run_names
 using (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid);
create policy checker_reads_all on sworn.run_names for select to :"checker" using (true);
grant insert on sworn.run_names to :"writer";
grant select on sworn.run_names to :"reader", :"checker";
grant delete, select (tenant_id, log, leaf_index) on sworn.run_names to :"remover";
create trigger append_only before update or delete on sworn.run_names for each row execute function sworn.refuse_change('removable');
create trigger no_truncate before truncate on sworn.run_names for each statement execute function sworn.refuse_truncate();
create trigger tenant_wall after insert or update on sworn.run_names for each row
  when (new.tenant_id is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid)
  execute function sworn.refuse_row('the row is of another tenant than the transaction');

-- What costs or lasts at least so much: a bit length a class, so that a list merges the classes above the asked one, each in its order. One
-- index over the value itself would have the rare and the newest in no order at all.
alter table sworn.llm_run_records
  add column cost_magnitude integer generated always as (length(ltrim(cost_nano_usd::bit(64)::text, '0'))) stored,
  add column duration_magnitude integer generated always as (length(ltrim(duration_us::bit(64)::text, '0'))) stored;
create index llm_run_records_cost on sworn.llm_run_records (tenant_id, cost_magnitude, run_index) where cost_magnitude is not null;
create index llm_run_records_duration on sworn.llm_run_records (tenant_id, duration_magnitude, run_index) where duration_magnitude is not null;
create index llm_run_records_errors on sworn.llm_run_records (tenant_id, run_index) where had_errors;
create index llm_run_records_synthetic on sworn.llm_run_records (tenant_id, run_index) where is_synthetic;
-- Sealed, and waiting for somebody: beside `open_run`, all that can be RUNNING.
create index llm_run_records_running on sworn.llm_run_records (tenant_id, log, run_index)
  where kind = 'RUN' and execution_status = 'RUNNING' and superseded_by is null;

-- What totals count without looking at every run: places, and what must be taken off.
create index llm_run_records_opened on sworn.llm_run_records (tenant_id, log, run_index) where revision = 0;
create index llm_run_records_again on sworn.llm_run_records (tenant_id, log, run_index) where revision >= 2;
create index llm_run_records_superseded on sworn.llm_run_records (tenant_id, log, run_index) where superseded_by is not null;
create index open_run_place on sworn.open_run (tenant_id, opened_index);

-- With the revision: the newest of a run, and each run's place, are told by the index alone.
drop index sworn.llm_run_records_place;
create index llm_run_records_place on sworn.llm_run_records (tenant_id, log, run_index, revision);

-- `retain` as in 0004, and the names go with their run.
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
  delete from sworn.access_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  get diagnostics removed = row_count;
  return removed;
end
$$;

set local role :"owner";
revoke create on schema sworn from :"remover";
