-- What checkpoint sinks confirmed: the newest checkpoint of each log that each of them holds. A working table: the proof is the copy out there;
-- a row counts with our MAC only, and while the very checkpoint it names is stored.
create table sworn.sink_confirmation (
  tenant_id uuid not null,
  log text not null,
  sink text not null,
  size bigint not null,
  root bytea not null,
  -- Out of reach of whoever can rewrite the database, as far as can be told.
  outside boolean not null,
  mac bytea not null,
  confirmed_at timestamptz not null,
  primary key (tenant_id, log, sink)
);
alter table sworn.sink_confirmation alter column tenant_id set statistics 0;
alter table sworn.sink_confirmation alter column log set statistics 0;

alter table sworn.sink_confirmation enable row level security;
alter table sworn.sink_confirmation force row level security;
create policy tenant_wall on sworn.sink_confirmation
  using (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)
  with check (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid);
create policy checker_reads_all on sworn.sink_confirmation for select to :"checker" using (true);
create trigger tenant_wall after insert or update on sworn.sink_confirmation for each row
  when (new.tenant_id is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid)
  execute function sworn.refuse_row('the row is of another tenant than the transaction');

grant select, insert, update, delete on sworn.sink_confirmation to :"signer";
grant select on sworn.sink_confirmation to :"reader", :"checker";
