-- Which signal a gap is of (CONTRACT.md §3, endpoint 10): the newest word of each before a run's start says whether a gap was open when it began. The member of
-- that name, which only Sworn's own leaves have (docs/spec/leaf.md, GAP).
alter table sworn.system_records add column signal text;

-- Rows that are there already, as in 0013.
alter table sworn.system_records no force row level security;
alter table sworn.leaf no force row level security;
alter table sworn.system_records disable trigger user;
update sworn.system_records r
   set signal = substring(encode(l.leaf, 'escape') from '"signal":"(traces|logs|metrics)"')
  from sworn.leaf l
 where r.event_type = 'TELEMETRY_GAP' and l.tenant_id = r.tenant_id and l.log = r.log and l.leaf_index = r.leaf_index and l.kind = 'GAP';
alter table sworn.system_records enable trigger user;
alter table sworn.leaf force row level security;
alter table sworn.system_records force row level security;

-- What producers say of gaps is in neither, however much of it there is.
drop index sworn.system_records_gap;
create index system_records_gap on sworn.system_records (tenant_id, service, signal, leaf_index) where signal is not null;
drop index sworn.system_records_gap_time;
create index system_records_gap_time on sworn.system_records (tenant_id, service, signal, occurred_at, leaf_index) where signal is not null;
