-- Evidence: the logs and what is re-derivable from them (CONTRACT.md §4). Every key is led by tenant_id.
-- Names in :"…" and :'…' are the deployment's roles, filled in by the runner.

-- One row a record. `leaf` holds the exact bytes that are hashed, exported and verified; the columns beside it are what check V6 re-derives.
create table sworn.leaf (
  tenant_id uuid not null,
  log text not null check (split_part(log, '.', 1) in ('llm-runs', 'system', 'audit', 'access', 'control')),
  leaf_index bigint not null check (leaf_index >= 0),
  kind text not null,
  leaf bytea not null check (octet_length(leaf) <= 16384),
  leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
  event_key bytea not null check (octet_length(event_key) in (24, 32)),
  trace_id bytea check (octet_length(trace_id) = 16),
  run_id text,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null,
  body bytea,
  digest bytea not null check (octet_length(digest) = 32),
  dk uuid,
  primary key (tenant_id, log, leaf_index),
  -- event_key before log: see findByEventKey in store/append.ts.
  constraint leaf_event_key unique (tenant_id, event_key, log),
  constraint leaf_body_has_key check (body is null or dk is not null)
);
-- Ciphertext does not compress, and rows of a page or less stay whole: half the cost of an insert, measured. docs/benchmarks.md.
alter table sworn.leaf set (toast_tuple_target = 8160);
alter table sworn.leaf alter leaf set storage external, alter body set storage external;
create index leaf_trace on sworn.leaf (tenant_id, trace_id, leaf_index);

-- Full tiles of 256 hashes (C2SP tlog-tiles).
create table sworn.tile (
  tenant_id uuid not null,
  log text not null,
  level smallint not null check (level between 0 and 7),
  tile_index bigint not null check (tile_index >= 0),
  hashes bytea not null check (octet_length(hashes) = 8192),
  primary key (tenant_id, log, level, tile_index)
);

create table sworn.batch_authenticator (
  tenant_id uuid not null,
  log text not null,
  first_index bigint not null check (first_index >= 0),
  count bigint not null check (count > 0),
  root_before bytea not null check (octet_length(root_before) = 32),
  root_after bytea not null check (octet_length(root_after) = 32),
  at timestamptz not null,
  mac bytea not null check (octet_length(mac) = 32),
  primary key (tenant_id, log, first_index)
);

create table sworn.checkpoint (
  tenant_id uuid not null,
  log text not null,
  size bigint not null check (size > 0),
  root bytea not null check (octet_length(root) = 32),
  note text not null,
  signed_at timestamptz not null,
  primary key (tenant_id, log, size)
);

-- Projections: the row of the leaf at the same (tenant_id, log, leaf_index), for lists to filter by.

create table sworn.llm_run_records (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  kind text not null check (kind in ('OPENED', 'RUN')),
  run_id text not null,
  revision integer not null check (revision >= 0),
  run_index bigint not null,
  run_occurred_at timestamptz not null,
  trace_id bytea check (octet_length(trace_id) = 16),
  conversation_id text,
  correlation_id text,
  agent_id text,
  human_actor_id text,
  executor_type text check (executor_type in ('LLM', 'AGENT', 'HUMAN')),
  provider text,
  model text,
  tools text[],
  service text,
  environment text,
  release text,
  execution_status text not null check (execution_status in ('RUNNING', 'SUCCEEDED', 'FAILED', 'ABORTED', 'TIMEOUT')),
  outcome text check (outcome in ('SUCCESS', 'FAILURE', 'NEAR_THRESHOLD', 'TERMINATED')),
  error_type text,
  policy_ids text[],
  incident_ids text[],
  had_errors boolean not null,
  is_synthetic boolean not null,
  source text not null check (source in ('API', 'SDK', 'SYSTEM', 'SYNTHETIC', 'WORKER')),
  cost_nano_usd bigint,
  duration_us bigint,
  started_at timestamptz not null,
  completed_at timestamptz,
  primary key (tenant_id, log, leaf_index),
  constraint llm_run_records_revision unique (tenant_id, log, run_id, revision)
);
-- A run's place in every list is its OPENED leaf, so lists page by run_index; a filter that is an equality has its own index.
create index llm_run_records_place on sworn.llm_run_records (tenant_id, log, run_index);
create index llm_run_records_occurred on sworn.llm_run_records (tenant_id, log, run_occurred_at, run_index);
create index llm_run_records_trace on sworn.llm_run_records (tenant_id, trace_id, leaf_index);
create index llm_run_records_conversation on sworn.llm_run_records (tenant_id, conversation_id, run_index) where conversation_id is not null;
create index llm_run_records_correlation on sworn.llm_run_records (tenant_id, correlation_id, run_index) where correlation_id is not null;
create index llm_run_records_agent on sworn.llm_run_records (tenant_id, agent_id, run_index) where agent_id is not null;
create index llm_run_records_human on sworn.llm_run_records (tenant_id, human_actor_id, run_index) where human_actor_id is not null;
create index llm_run_records_provider on sworn.llm_run_records (tenant_id, provider, run_index) where provider is not null;
create index llm_run_records_model on sworn.llm_run_records (tenant_id, model, run_index) where model is not null;
create index llm_run_records_service on sworn.llm_run_records (tenant_id, service, run_index) where service is not null;
create index llm_run_records_environment on sworn.llm_run_records (tenant_id, environment, run_index) where environment is not null;
create index llm_run_records_release on sworn.llm_run_records (tenant_id, release, run_index) where release is not null;
create index llm_run_records_status on sworn.llm_run_records (tenant_id, execution_status, run_index);
create index llm_run_records_outcome on sworn.llm_run_records (tenant_id, outcome, run_index) where outcome is not null;
create index llm_run_records_error on sworn.llm_run_records (tenant_id, error_type, run_index) where error_type is not null;
create index llm_run_records_source on sworn.llm_run_records (tenant_id, source, run_index);

create table sworn.run_members (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  run_id text not null,
  trace_id bytea not null check (octet_length(trace_id) = 16),
  primary key (tenant_id, log, leaf_index)
);
create index run_members_run on sworn.run_members (tenant_id, run_id, leaf_index);
create index run_members_trace on sworn.run_members (tenant_id, trace_id, leaf_index);

create table sworn.resources (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  part text not null check (part in ('resource', 'scope')),
  leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
  service text,
  service_instance text,
  host_id text,
  environment text,
  primary key (tenant_id, log, leaf_index)
);
create index resources_hash on sworn.resources (tenant_id, leaf_hash);

create table sworn.access_records (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  kind text not null,
  request_id uuid not null,
  endpoint text not null,
  credential_id text,
  decision text not null check (decision in ('ALLOW', 'DENY')),
  permission text,
  run_id text,
  status integer,
  primary key (tenant_id, log, leaf_index)
);
create index access_records_run on sworn.access_records (tenant_id, run_id, leaf_index) where run_id is not null;
create index access_records_credential on sworn.access_records (tenant_id, credential_id, leaf_index) where credential_id is not null;
create index access_records_decision on sworn.access_records (tenant_id, decision, leaf_index);
create index access_records_endpoint on sworn.access_records (tenant_id, endpoint, leaf_index);

create table sworn.control_records (
  tenant_id uuid not null,
  log text not null,
  leaf_index bigint not null,
  kind text not null,
  subject text,
  primary key (tenant_id, log, leaf_index)
);
create index control_records_kind on sworn.control_records (tenant_id, kind, leaf_index);
