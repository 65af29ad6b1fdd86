-- The sealer follows `audit` too (CONTRACT.md §7): its cursors stand in `seal_cursor` beside that of `llm-runs`, and an open run says which event of
-- governance is the newest that may be about it, as a place in all logs of that topic, one after another; -1: none.
alter table sworn.open_run add column last_event bigint not null default -1;
