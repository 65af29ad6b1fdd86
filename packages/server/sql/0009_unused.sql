-- Runs of a trace are found by `run_members`, since a run may have several traces; nothing asks for runs by the one that their row names.
drop index sworn.llm_run_records_trace;
