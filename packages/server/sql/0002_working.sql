-- No evidence: directory tables (a tenant or key row counts only if its `control` leaf says the same) and working tables.

create table sworn.deployment (
  id text primary key,
  platform_tenant uuid not null,
  created_at timestamptz not null
);

create table sworn.tenant (
  tenant_id uuid primary key,
  name text not null,
  synthetic boolean not null,
  platform boolean not null,
  created_at timestamptz not null,
  control_index bigint
);

create table sworn.api_key (
  tenant_id uuid not null,
  key_id uuid not null,
  role text not null check (role in ('ingest', 'reader', 'auditor')),
  scopes text[] not null,
  services text[] not null,
  label text,
  secret_mac bytea not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  revoked_at timestamptz,
  control_index bigint not null,
  primary key (tenant_id, key_id),
  constraint api_key_secret unique (tenant_id, secret_mac)
);

-- The tip of each log: what the next leaf is numbered and chained from. Locked by the sequencer.
create table sworn.log_head (
  tenant_id uuid not null,
  topic text not null check (topic in ('llm-runs', 'system', 'audit', 'access', 'control')),
  log text not null,
  generation integer not null check (generation >= 1),
  next_index bigint not null check (next_index >= 0),
  frontier bytea not null,
  root bytea not null check (octet_length(root) = 32),
  last_recorded_at timestamptz,
  closed boolean not null default false,
  primary key (tenant_id, log),
  check (log = case when generation = 1 then topic else topic || '.' || generation end)
);

create table sworn.open_run (
  tenant_id uuid not null,
  run_id text not null,
  trace_id bytea not null,
  opened_index bigint not null,
  run_occurred_at timestamptz not null,
  revision integer not null,
  steps bigint not null,
  last_index bigint not null,
  last_seen_at timestamptz not null,
  root_seen_at timestamptz,
  grace_ms integer not null,
  idle_ms integer not null,
  due_at timestamptz not null,
  primary key (tenant_id, run_id)
);
create index open_run_due on sworn.open_run (tenant_id, due_at);

create table sworn.seal_cursor (
  tenant_id uuid not null,
  log text not null,
  next_index bigint not null,
  primary key (tenant_id, log)
);

create table sworn.lease (
  name text primary key,
  holder text not null,
  until timestamptz not null
);

-- Wrapped data keys, and token → encrypted value: what erasure destroys.
create table sworn.data_key (
  tenant_id uuid not null,
  dk uuid not null,
  scope bytea not null,
  epoch integer not null,
  wrapped bytea not null,
  created_at timestamptz not null,
  primary key (tenant_id, dk),
  constraint data_key_scope unique (tenant_id, scope)
);

create table sworn.directory (
  tenant_id uuid not null,
  token text not null,
  value bytea not null,
  dk uuid not null,
  primary key (tenant_id, token)
);
create index directory_key on sworn.directory (tenant_id, dk);
