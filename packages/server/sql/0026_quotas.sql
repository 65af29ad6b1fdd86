-- Bytes of telemetry that a tenant sent on a UTC day, as all processes add them up; what it may send stands in its `control`. A working table.
create table sworn.ingest_day (
  tenant_id uuid not null,
  day text not null check (day ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'),
  bytes bigint not null check (bytes >= 0),
  primary key (tenant_id, day)
);
alter table sworn.ingest_day enable row level security;
alter table sworn.ingest_day force row level security;
create policy tenant_wall on sworn.ingest_day
  using (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid);
create policy checker_reads_all on sworn.ingest_day for select to :"checker" using (true);
create trigger tenant_wall after insert or update on sworn.ingest_day for each row
  when (new.tenant_id is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid)
  execute function sworn.refuse_row('the row is of another tenant than the transaction');
alter table sworn.ingest_day alter column tenant_id set statistics 0;
grant select, insert, update, delete on sworn.ingest_day to :"writer";
grant select on sworn.ingest_day to :"reader", :"checker";
