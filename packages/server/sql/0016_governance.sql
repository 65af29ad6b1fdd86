-- Governance of a run (CONTRACT.md §3, endpoint 4): what is about it in the order of time. By its traces, by the run that a record is about, by the run that
-- a record's hint names.

-- The run that the vendor's id in the leaf names (seal/membership.ts), as the leaf says it. Leaves of before say none.
alter table sworn.audit_ledger add column hinted_run text;

drop index sworn.audit_ledger_trace;
create index audit_ledger_trace on sworn.audit_ledger (tenant_id, trace_id, occurred_at, leaf_index) where trace_id is not null;
create index audit_ledger_run_time on sworn.audit_ledger (tenant_id, run_id, occurred_at, leaf_index) where run_id is not null;
create index audit_ledger_hinted_run on sworn.audit_ledger (tenant_id, hinted_run, occurred_at, leaf_index) where hinted_run is not null;
-- Whether a service ever reported any governance.
create index audit_ledger_governed on sworn.audit_ledger (tenant_id, service, leaf_index) where category is not null;
