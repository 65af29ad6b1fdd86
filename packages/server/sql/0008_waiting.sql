-- Beside `open_run`, all that can be RUNNING: sealed, and waiting for somebody. The condition of 0006's index was one on execution_status, so
-- that without statistics the planner might go by that column's own index, under which every OPENED row stands too.
drop index sworn.llm_run_records_running;
create index llm_run_records_waits on sworn.llm_run_records (tenant_id, log, run_index) where waiting_for is not null;
alter table sworn.llm_run_records add constraint llm_run_records_running
  check (execution_status <> 'RUNNING' or kind = 'OPENED' or waiting_for is not null or superseded_by is not null);
