-- Of whose row it is, and in which log, no statistics: rows of one tenant say nothing of another's. A planner that has seen only others' rows takes
-- all of a new tenant's for one, so that any index that is led by the tenant passes for as good as the right one, and walks them all for each it looks up.
do $statistics$
declare
  of_table text;
begin
  foreach of_table in array array['leaf', 'llm_run_records', 'run_members', 'run_names', 'resources', 'access_records', 'control_records', 'open_run',
    'checkpoint', 'tile', 'batch_authenticator', 'data_key', 'directory']
  loop
    execute format('alter table sworn.%I alter column tenant_id set statistics 0', of_table);
    if exists (select from pg_catalog.pg_attribute where attrelid = format('sworn.%I', of_table)::regclass and attname = 'log' and not attisdropped) then
      execute format('alter table sworn.%I alter column log set statistics 0', of_table);
    end if;
  end loop;
end
$statistics$;
