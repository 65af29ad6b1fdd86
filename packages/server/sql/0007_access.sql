-- Reads that one page view made carry one id (the header Sworn-View), as a token: a client may put anything in it.
alter table sworn.access_records add column view text;
create index access_records_view on sworn.access_records (tenant_id, view, leaf_index) where view is not null;
