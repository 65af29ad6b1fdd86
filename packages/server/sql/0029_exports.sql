-- Which export a record is about: asked for, built, failed, handed out (docs/spec/leaf.md, EXPORT_…).
alter table sworn.access_records add column export_id text;
create index access_records_export on sworn.access_records (tenant_id, export_id, leaf_index) where export_id is not null;
