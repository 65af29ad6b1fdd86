-- Sworn's own life (CONTRACT.md §3, endpoint 7): the recorder's records in the platform's `system`. Those that every tenant may see are marked.

-- Null: a producer's record, or one of Sworn's own that is nobody else's.
alter table sworn.system_records add column shared boolean;
create index system_records_shared on sworn.system_records (tenant_id, leaf_index) where shared;

grant insert on sworn.system_records to :"recorder";
-- The recorder writes the platform's `system` alone (0003); and what is shared, only the recorder writes.
do $walls$
begin
  execute format($trigger$
    create trigger other_logs after insert on sworn.system_records for each row
      when (current_user = %L)
      execute function sworn.refuse_recorder()$trigger$, :'recorder');
  execute format($trigger$
    create trigger own_logs after insert on sworn.system_records for each row
      when (new.shared and current_user <> %L)
      execute function sworn.refuse_row('what is shared is written by the recorder alone')$trigger$, :'recorder');
end
$walls$;
