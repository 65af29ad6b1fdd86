-- Runs of several traces, and several runs in one (CONTRACT.md §7).

-- What a MEMBER leaf says: the whole trace, or the subtrees below at most 64 roots. Until now all were whole.
alter table sworn.run_members add column whole boolean not null default true;
alter table sworn.run_members alter column whole drop default;
alter table sworn.run_members add column roots bytea[];

-- A run whose traces turned out to be another's says which; one that waits for a human says for what.
alter table sworn.llm_run_records add column superseded_by text;
alter table sworn.llm_run_records add column waiting_for text check (waiting_for in ('approval', 'tool_call'));
-- What a later run of the conversation may answer.
create index llm_run_records_waiting on sworn.llm_run_records (tenant_id, conversation_id, run_index) where waiting_for is not null;
