-- What the lists of endpoints 13 to 18 go by (docs/lists.md) and had no index for.

-- By `occurred_at`, of logs whose rows do not say it: `access` and `control`. `audit` stands before the 'd' too, and is asked by it where nothing else is.
create index leaf_occurred on sworn.leaf (tenant_id, log, occurred_at, leaf_index) where log < 'd';

-- What a control record is about.
create index control_records_subject on sworn.control_records (tenant_id, subject, leaf_index) where subject is not null;

-- Which leaf was read by its id. Rows that are there already: from the bytes of their leaves, as in 0013. The two members stand side by side in the
-- order of names, and a quote in a text is escaped.
alter table sworn.access_records add column record_id text;
alter table sworn.access_records no force row level security;
alter table sworn.leaf no force row level security;
alter table sworn.access_records disable trigger user;
update sworn.access_records r
   set record_id = said.id
  from sworn.leaf l
 cross join lateral (
   select substring(encode(l.leaf, 'escape') from '"record_id":"([0-9a-f-]{36})","recorded_at":"') as id) said
 where l.tenant_id = r.tenant_id and l.log = r.log and l.leaf_index = r.leaf_index and said.id is not null;
alter table sworn.access_records enable trigger user;
alter table sworn.leaf force row level security;
alter table sworn.access_records force row level security;
create index access_records_record on sworn.access_records (tenant_id, record_id, leaf_index) where record_id is not null;
