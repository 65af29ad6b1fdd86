-- What an instance was last changed by before a run (CONTRACT.md §3, endpoint 8).
create index system_records_change on sworn.system_records (tenant_id, instance, occurred_at, leaf_index)
  where instance is not null and event_type in ('STARTUP', 'DEPLOY', 'CONFIG_CHANGE');

-- By pid first: led by the host, its order of time would be that of all processes of the host, and a planner takes it.
drop index sworn.telemetry_batches_process;
create index telemetry_batches_process on sworn.telemetry_batches (tenant_id, process_pid, occurred_at, leaf_index) where process_pid is not null;
