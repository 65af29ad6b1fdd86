-- DRAFT of the tables by the lead; the final migration adds roles, owners, grants, policies, triggers.
create table sworn.deployment (id text primary key, platform_tenant uuid not null, created_at timestamptz not null);
-- directory (no evidence): a row counts only if its control leaf says the same
create table sworn.tenant (tenant_id uuid primary key, name text not null, synthetic boolean not null, platform boolean not null,
  created_at timestamptz not null, control_index bigint);
create table sworn.api_key (tenant_id uuid not null, key_id uuid not null, role text not null check (role in ('ingest','reader','auditor')),
  scopes text[] not null, services text[] not null, label text, secret_mac bytea not null,
  created_at timestamptz not null, expires_at timestamptz not null, revoked_at timestamptz, control_index bigint not null,
  primary key (tenant_id, key_id), unique (tenant_id, secret_mac));
-- evidence
create table sworn.leaf (tenant_id uuid not null, log text not null, leaf_index bigint not null, kind text not null, leaf bytea not null,
  leaf_hash bytea not null, event_key bytea not null, trace_id bytea, run_id text, occurred_at timestamptz not null, recorded_at timestamptz not null,
  body bytea, digest bytea not null, dk uuid, primary key (tenant_id, log, leaf_index), unique (tenant_id, log, event_key));
create index leaf_trace on sworn.leaf (tenant_id, trace_id, leaf_index);
create table sworn.tile (tenant_id uuid, log text, level smallint, tile_index bigint, hashes bytea not null, primary key (tenant_id, log, level, tile_index));
create table sworn.batch_authenticator (tenant_id uuid, log text, first_index bigint, count bigint not null, root_before bytea not null,
  root_after bytea not null, at timestamptz not null, mac bytea not null, primary key (tenant_id, log, first_index));
create table sworn.checkpoint (tenant_id uuid, log text, size bigint, root bytea not null, note text not null, signed_at timestamptz not null, primary key (tenant_id, log, size));
-- projections: re-derivable from the leaf of the same (tenant_id, log, leaf_index)
create table sworn.llm_run_records (tenant_id uuid, log text, leaf_index bigint, kind text not null /* OPENED | RUN */, run_id text not null, revision int not null,
  run_index bigint not null, run_occurred_at timestamptz not null, trace_id bytea, conversation_id text, correlation_id text, agent_id text, human_actor_id text,
  executor_type text, provider text, model text, tools text[], service text, environment text, release text, execution_status text not null, outcome text,
  error_type text, policy_ids text[], incident_ids text[], had_errors boolean not null, is_synthetic boolean not null, source text not null,
  cost_nano_usd bigint, duration_us bigint, started_at timestamptz not null, completed_at timestamptz, primary key (tenant_id, log, leaf_index));
  -- unique (tenant_id, log, run_id, revision); index (tenant_id, log, run_index); (tenant_id, log, run_occurred_at, run_index); (tenant_id, trace_id, leaf_index)
create table sworn.run_members (tenant_id uuid, log text, leaf_index bigint, run_id text not null, trace_id bytea not null, primary key (tenant_id, log, leaf_index));
create table sworn.resources (tenant_id uuid, log text, leaf_index bigint, part text not null, leaf_hash bytea not null, service text, service_instance text,
  host_id text, environment text, primary key (tenant_id, log, leaf_index)); -- index (tenant_id, leaf_hash)
create table sworn.access_records (tenant_id uuid, log text, leaf_index bigint, kind text not null, request_id uuid not null, endpoint text not null, credential_id text,
  decision text not null, permission text, run_id text, status int, primary key (tenant_id, log, leaf_index));
create table sworn.control_records (tenant_id uuid, log text, leaf_index bigint, kind text not null, subject text, primary key (tenant_id, log, leaf_index));
-- working (no evidence)
create table sworn.log_head (tenant_id uuid, topic text, log text, generation int not null, next_index bigint not null, frontier bytea not null, root bytea not null,
  last_recorded_at timestamptz, closed boolean not null default false, primary key (tenant_id, log));
create table sworn.open_run (tenant_id uuid, run_id text, trace_id bytea not null, opened_index bigint not null, revision int not null, steps bigint not null,
  last_index bigint not null, first_seen_at timestamptz not null, last_seen_at timestamptz not null, root_seen_at timestamptz, due_at timestamptz not null, idle_ms int not null, primary key (tenant_id, run_id));
create table sworn.seal_cursor (tenant_id uuid, log text, next_index bigint not null, primary key (tenant_id, log));
create table sworn.lease (name text primary key, holder text not null, until timestamptz not null);
create table sworn.data_key (tenant_id uuid, dk uuid, scope bytea not null, epoch int not null, wrapped bytea not null, created_at timestamptz not null, primary key (tenant_id, dk), unique (tenant_id, scope));
create table sworn.directory (tenant_id uuid, token text, value bytea not null, dk uuid not null, primary key (tenant_id, token));
