-- TELEMETRY_GAP (CONTRACT.md §3, endpoints 7 and 17): who should report and is silent (config/producers.yaml).

-- The newest of a service, of few rows; and those around a run.
create index system_records_gap on sworn.system_records (tenant_id, service, leaf_index) where event_type = 'TELEMETRY_GAP';
create index system_records_gap_time on sworn.system_records (tenant_id, service, occurred_at, leaf_index) where event_type = 'TELEMETRY_GAP';

-- Gaps that Sworn recorded, counted as the checks go by them.
alter table sworn.check_cursor add column gaps bigint not null default 0 check (gaps >= 0);
