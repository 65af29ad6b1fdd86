-- What a reading key may see of what its role may see (CONTRACT.md §8). Null: all of it.
alter table sworn.api_key
  add column topics text[] check (topics <@ array['LLM_RUNS', 'SYSTEM_LOGS', 'AUDIT'] and cardinality(topics) > 0),
  add column occurred_from timestamptz,
  add column occurred_before timestamptz,
  add column payloads text check (payloads in ('none', 'hashes', 'full')),
  add constraint api_key_bounds check (occurred_from < occurred_before
    and (role <> 'ingest' or num_nonnulls(topics, occurred_from, occurred_before, payloads) = 0));
