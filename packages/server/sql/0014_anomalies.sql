-- What is odd about what producers sent, counted as the checks go by it (CONTRACT.md §3, endpoint 17): spans that were sent again with other content,
-- steps that end before they start or start over a minute after they came in.
alter table sworn.check_cursor
  add column conflicts bigint not null default 0 check (conflicts >= 0),
  add column skewed bigint not null default 0 check (skewed >= 0);
