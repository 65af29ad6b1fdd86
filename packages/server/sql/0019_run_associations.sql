-- What ties a system record to runs (CONTRACT.md §3, endpoint 10), each by an index of its own in the order of time: a window of a replay is one range of it.
-- The run that a record names is said by its leaf: `run_hint`, `run_asserted`, `service`, `foreign` (docs/spec/checks.md, V6).
alter table sworn.system_records add column hinted_run text;

-- Rows that are there already, as in 0013.
alter table sworn.system_records no force row level security;
alter table sworn.leaf no force row level security;
alter table sworn.system_records disable trigger user;
update sworn.system_records r
   set hinted_run = case
     when said.asserted and said.hint ~ '^[A-Za-z0-9._:@-]{1,256}$' then said.hint
     when not said.asserted and said.service || ':' || said.hint ~ '^[A-Za-z0-9._@-]+:[A-Za-z0-9._@-]+$'
       and length(said.service || ':' || said.hint) <= 256 then said.service || ':' || said.hint
     else 'run_' || left(encode(sha256(convert_to(said.service, 'UTF8') || '\x00'::bytea || convert_to(said.hint, 'UTF8')), 'hex'), 32) end
  from sworn.leaf l
 cross join lateral (
   select encode(l.leaf, 'escape') as text) as bytes
 cross join lateral (
   select substring(bytes.text from '"run_hint":"([^"\\]{1,128})"') as hint, coalesce(substring(bytes.text from '"service":"([^"\\]{1,128})"'), '') as service,
          position('"run_asserted":true' in bytes.text) > 0 as asserted, position('"foreign":true' in bytes.text) > 0 as foreigner) said
 where l.tenant_id = r.tenant_id and l.log = r.log and l.leaf_index = r.leaf_index and said.hint is not null and not said.foreigner;
alter table sworn.system_records enable trigger user;
alter table sworn.leaf force row level security;
alter table sworn.system_records force row level security;

create index system_records_hinted_run on sworn.system_records (tenant_id, hinted_run, occurred_at, leaf_index) where hinted_run is not null;
-- Nothing lists them by leaf.
drop index sworn.system_records_trace;
create index system_records_trace on sworn.system_records (tenant_id, trace_id, occurred_at, leaf_index) where trace_id is not null;
drop index sworn.system_records_instance;
create index system_records_instance on sworn.system_records (tenant_id, instance, occurred_at, leaf_index) where instance is not null;
-- Of what is correlated by its trace the trace's index says the same; these are the few others.
create index system_records_bound on sworn.system_records (tenant_id, correlation_id, occurred_at, leaf_index)
  where correlation_id is not null and correlation_id is distinct from encode(trace_id, 'hex');
-- What names no instance is tied by its host, which its RESOURCE record says.
create index system_records_hosted on sworn.system_records (tenant_id, log, occurred_at, leaf_index) where instance is null;
