-- How far the checks have come (INTEGRITY.md, "Checks"). Working tables, no evidence: what was found stands in `control`.

-- From where the check of new records goes on, and where the slow one over all of them is. `verified`: leaves found under a root written down
-- outside of their rows. Frontiers are those of whole tiles.
create table sworn.check_cursor (
  tenant_id uuid not null,
  log text not null,
  next_index bigint not null check (next_index >= 0),
  frontier bytea not null,
  verified bigint not null check (verified >= 0),
  checked_at timestamptz not null,
  scrub_index bigint not null check (scrub_index >= 0),
  scrub_frontier bytea not null,
  scrub_began_at timestamptz not null,
  scrubbed_at timestamptz,
  primary key (tenant_id, log)
);

-- When a finding was met last; that it was opened, and cleared, its leaves say.
create table sworn.finding_seen (
  tenant_id uuid not null,
  finding text not null,
  last_seen_at timestamptz not null,
  primary key (tenant_id, finding)
);

do $walls$
declare
  of_table text;
begin
  foreach of_table in array array['check_cursor', 'finding_seen'] loop
    execute format('alter table sworn.%I enable row level security', of_table);
    execute format('alter table sworn.%I force row level security', of_table);
    execute format($policy$
      create policy tenant_wall on sworn.%I
       using (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)
        with check (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)$policy$, of_table);
    execute format('create policy checker_reads_all on sworn.%I for select to %I using (true)', of_table, :'checker');
    execute format($trigger$
      create trigger tenant_wall after insert or update on sworn.%I for each row
        when (new.tenant_id is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid)
        execute function sworn.refuse_row('the row is of another tenant than the transaction')$trigger$, of_table);
    execute format('alter table sworn.%I alter column tenant_id set statistics 0', of_table);
  end loop;
end
$walls$;
grant select, insert, update on sworn.check_cursor, sworn.finding_seen to :"recorder";
grant select on sworn.check_cursor, sworn.finding_seen to :"reader", :"checker";
