-- What the audit endpoints filter access records by (docs/lists.md): the correlation id that a client claimed, as a token, which its leaf says; and the
-- few records that are no READ.
alter table sworn.access_records add column correlation_id text;

-- Rows that are there already: from the bytes of their leaves, whatever these are now. Forced row-level security binds the owner too, and an append-only
-- row changes for nobody; nobody else does anything meanwhile.
alter table sworn.access_records no force row level security;
alter table sworn.leaf no force row level security;
alter table sworn.access_records disable trigger user;
update sworn.access_records r
   set correlation_id = said.token
  from sworn.leaf l
 -- Members stand in the order of their names: what follows `filters` may hold one of the same name.
 cross join lateral (
   select substring(split_part(encode(l.leaf, 'escape'), '"filters":{', 1) from '"correlation_id":"(tok_[0-9a-f]{32})"') as token) said
 where l.tenant_id = r.tenant_id and l.log = r.log and l.leaf_index = r.leaf_index and said.token is not null;
alter table sworn.access_records enable trigger user;
alter table sworn.leaf force row level security;
alter table sworn.access_records force row level security;

create index access_records_correlation on sworn.access_records (tenant_id, correlation_id, leaf_index) where correlation_id is not null;
create index access_records_kind on sworn.access_records (tenant_id, kind, leaf_index) where kind <> 'READ';
