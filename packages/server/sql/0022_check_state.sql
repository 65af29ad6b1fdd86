-- Where the checks are is believed only with our MAC, under a key that is not in the database: who edits a cursor would else have us say that a record
-- was looked at. A cursor of before has none, and the checks begin anew.
alter table sworn.check_cursor add column mac bytea;

-- When the checks went round last, so that nobody keeps them from it in silence. A working row, with our MAC too.
create table sworn.check_round (
  one boolean primary key default true check (one),
  at timestamptz not null,
  mac bytea not null
);
alter table sworn.check_round enable row level security;
alter table sworn.check_round force row level security;
create policy no_tenant on sworn.check_round using (true) with check (true);
grant select, insert, update on sworn.check_round to :"recorder";
grant select on sworn.check_round to :"reader", :"checker";
