-- Generated from the catalogue (store/catalogue.ts); to be read and compared, not run.
role sworn_checker login
  set DateStyle=ISO
  set TimeZone=UTC
  set bytea_output=hex
  set default_transaction_read_only=on
  set idle_in_transaction_session_timeout=5s
  set jit=off
  set plan_cache_mode=force_custom_plan
  set search_path=pg_catalog, pg_temp
role sworn_owner
role sworn_reader login
  set DateStyle=ISO
  set TimeZone=UTC
  set bytea_output=hex
  set default_transaction_read_only=on
  set idle_in_transaction_session_timeout=5s
  set jit=off
  set plan_cache_mode=force_custom_plan
  set search_path=pg_catalog, pg_temp
  set statement_timeout=5s
role sworn_recorder login
  set DateStyle=ISO
  set TimeZone=UTC
  set bytea_output=hex
  set enable_seqscan=off
  set idle_in_transaction_session_timeout=5s
  set jit=off
  set plan_cache_mode=force_custom_plan
  set search_path=pg_catalog, pg_temp
role sworn_remover
role sworn_signer login
  set DateStyle=ISO
  set TimeZone=UTC
  set bytea_output=hex
  set idle_in_transaction_session_timeout=5s
  set jit=off
  set plan_cache_mode=force_custom_plan
  set search_path=pg_catalog, pg_temp
role sworn_writer login
  set DateStyle=ISO
  set TimeZone=UTC
  set bytea_output=hex
  set enable_seqscan=off
  set idle_in_transaction_session_timeout=5s
  set jit=off
  set plan_cache_mode=force_custom_plan
  set search_path=pg_catalog, pg_temp

schema sworn owner sworn_owner
  grant usage on schema sworn to sworn_checker
  grant usage on schema sworn to sworn_reader
  grant usage on schema sworn to sworn_recorder
  grant usage on schema sworn to sworn_remover
  grant usage on schema sworn to sworn_signer
  grant usage on schema sworn to sworn_writer

table access_records owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  kind text not null
  request_id uuid not null
  endpoint text not null
  credential_id text
  decision text not null
  permission text
  run_id text
  status integer
  view text
  correlation_id text
  record_id text
  export_id text
  constraint access_records_decision_check CHECK ((decision = ANY (ARRAY['ALLOW'::text, 'DENY'::text])))
  constraint access_records_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  CREATE INDEX access_records_correlation ON sworn.access_records USING btree (tenant_id, correlation_id, leaf_index) WHERE (correlation_id IS NOT NULL)
  CREATE INDEX access_records_credential ON sworn.access_records USING btree (tenant_id, credential_id, leaf_index) WHERE (credential_id IS NOT NULL)
  CREATE INDEX access_records_decision ON sworn.access_records USING btree (tenant_id, decision, leaf_index)
  CREATE INDEX access_records_endpoint ON sworn.access_records USING btree (tenant_id, endpoint, leaf_index)
  CREATE INDEX access_records_export ON sworn.access_records USING btree (tenant_id, export_id, leaf_index) WHERE (export_id IS NOT NULL)
  CREATE INDEX access_records_kind ON sworn.access_records USING btree (tenant_id, kind, leaf_index) WHERE (kind <> 'READ'::text)
  CREATE INDEX access_records_record ON sworn.access_records USING btree (tenant_id, record_id, leaf_index) WHERE (record_id IS NOT NULL)
  CREATE INDEX access_records_run ON sworn.access_records USING btree (tenant_id, run_id, leaf_index) WHERE (run_id IS NOT NULL)
  CREATE INDEX access_records_view ON sworn.access_records USING btree (tenant_id, view, leaf_index) WHERE (view IS NOT NULL)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.access_records FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.access_records FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER own_logs AFTER INSERT ON sworn.access_records FOR EACH ROW WHEN ((CURRENT_USER <> 'sworn_recorder'::name)) EXECUTE FUNCTION sworn.refuse_row('written by the recorder alone')
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.access_records FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on access_records to sworn_remover
  grant insert on access_records to sworn_recorder
  grant select (tenant_id, log, leaf_index) on access_records to sworn_remover
  grant select on access_records to sworn_checker
  grant select on access_records to sworn_reader

table api_key owner sworn_owner row security forced
  tenant_id uuid not null
  key_id uuid not null
  role text not null
  scopes text[] not null
  services text[] not null
  label text
  secret_mac bytea not null
  created_at timestamp with time zone not null
  expires_at timestamp with time zone not null
  revoked_at timestamp with time zone
  control_index bigint not null
  topics text[]
  occurred_from timestamp with time zone
  occurred_before timestamp with time zone
  payloads text
  constraint api_key_bounds CHECK (((occurred_from < occurred_before) AND ((role <> 'ingest'::text) OR (num_nonnulls(topics, occurred_from, occurred_before, payloads) = 0))))
  constraint api_key_payloads_check CHECK ((payloads = ANY (ARRAY['none'::text, 'hashes'::text, 'full'::text])))
  constraint api_key_pkey PRIMARY KEY (tenant_id, key_id)
  constraint api_key_role_check CHECK ((role = ANY (ARRAY['ingest'::text, 'reader'::text, 'auditor'::text])))
  constraint api_key_secret UNIQUE (tenant_id, secret_mac)
  constraint api_key_topics_check CHECK (((topics <@ ARRAY['LLM_RUNS'::text, 'SYSTEM_LOGS'::text, 'AUDIT'::text]) AND (cardinality(topics) > 0)))
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.api_key FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on api_key to sworn_recorder
  grant select on api_key to sworn_checker
  grant select on api_key to sworn_reader
  grant select on api_key to sworn_recorder
  grant update (revoked_at) on api_key to sworn_recorder

table audit_ledger owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  event_type text not null
  conflict_of bigint
  category text
  entity_type text
  entity_id text
  actor_type text
  actor_id text
  action text
  decision text
  run_id text
  policy_id text
  incident_id text
  correlation_id text
  trace_id bytea
  service text
  occurred_at timestamp with time zone not null
  hinted_run text
  constraint audit_ledger_actor_type_check CHECK ((actor_type = ANY (ARRAY['HUMAN'::text, 'AGENT'::text, 'SYSTEM'::text])))
  constraint audit_ledger_category_check CHECK ((category = ANY (ARRAY['THRESHOLD_CHECK'::text, 'POLICY_EVALUATION'::text, 'NEAR_BREACH'::text, 'VIOLATION'::text, 'OVERRIDE'::text, 'APPROVAL_REQUEST'::text, 'APPROVAL_DECISION'::text, 'EVALUATION'::text])))
  constraint audit_ledger_decision_check CHECK ((decision = ANY (ARRAY['ALLOW'::text, 'DENY'::text, 'CONDITIONAL'::text, 'PENDING'::text, 'NONE'::text])))
  constraint audit_ledger_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  constraint audit_ledger_trace_id_check CHECK ((octet_length(trace_id) = 16))
  CREATE INDEX audit_ledger_actor ON sworn.audit_ledger USING btree (tenant_id, actor_id, leaf_index) WHERE (actor_id IS NOT NULL)
  CREATE INDEX audit_ledger_actor_type ON sworn.audit_ledger USING btree (tenant_id, actor_type, leaf_index) WHERE (actor_type IS NOT NULL)
  CREATE INDEX audit_ledger_category ON sworn.audit_ledger USING btree (tenant_id, category, leaf_index) WHERE (category IS NOT NULL)
  CREATE INDEX audit_ledger_conflict ON sworn.audit_ledger USING btree (tenant_id, conflict_of, leaf_index) WHERE (conflict_of IS NOT NULL)
  CREATE INDEX audit_ledger_correlation ON sworn.audit_ledger USING btree (tenant_id, correlation_id, leaf_index) WHERE (correlation_id IS NOT NULL)
  CREATE INDEX audit_ledger_decision ON sworn.audit_ledger USING btree (tenant_id, decision, leaf_index) WHERE (decision IS NOT NULL)
  CREATE INDEX audit_ledger_entity ON sworn.audit_ledger USING btree (tenant_id, entity_id, leaf_index) WHERE (entity_id IS NOT NULL)
  CREATE INDEX audit_ledger_entity_type ON sworn.audit_ledger USING btree (tenant_id, entity_type, leaf_index) WHERE (entity_type IS NOT NULL)
  CREATE INDEX audit_ledger_governed ON sworn.audit_ledger USING btree (tenant_id, service, leaf_index) WHERE (category IS NOT NULL)
  CREATE INDEX audit_ledger_hinted_run ON sworn.audit_ledger USING btree (tenant_id, hinted_run, occurred_at, leaf_index) WHERE (hinted_run IS NOT NULL)
  CREATE INDEX audit_ledger_incident ON sworn.audit_ledger USING btree (tenant_id, incident_id, leaf_index) WHERE (incident_id IS NOT NULL)
  CREATE INDEX audit_ledger_occurred ON sworn.audit_ledger USING btree (tenant_id, log, occurred_at, leaf_index)
  CREATE INDEX audit_ledger_policy ON sworn.audit_ledger USING btree (tenant_id, policy_id, leaf_index) WHERE (policy_id IS NOT NULL)
  CREATE INDEX audit_ledger_run ON sworn.audit_ledger USING btree (tenant_id, run_id, leaf_index) WHERE (run_id IS NOT NULL)
  CREATE INDEX audit_ledger_run_time ON sworn.audit_ledger USING btree (tenant_id, run_id, occurred_at, leaf_index) WHERE (run_id IS NOT NULL)
  CREATE INDEX audit_ledger_trace ON sworn.audit_ledger USING btree (tenant_id, trace_id, occurred_at, leaf_index) WHERE (trace_id IS NOT NULL)
  CREATE INDEX audit_ledger_type ON sworn.audit_ledger USING btree (tenant_id, event_type, leaf_index)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.audit_ledger FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.audit_ledger FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.audit_ledger FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on audit_ledger to sworn_remover
  grant insert on audit_ledger to sworn_writer
  grant select (tenant_id, log, leaf_index) on audit_ledger to sworn_remover
  grant select on audit_ledger to sworn_checker
  grant select on audit_ledger to sworn_reader

table batch_authenticator owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  first_index bigint not null
  count bigint not null
  root_before bytea not null
  root_after bytea not null
  at timestamp with time zone not null
  mac bytea not null
  constraint batch_authenticator_count_check CHECK ((count > 0))
  constraint batch_authenticator_first_index_check CHECK ((first_index >= 0))
  constraint batch_authenticator_mac_check CHECK ((octet_length(mac) = 32))
  constraint batch_authenticator_pkey PRIMARY KEY (tenant_id, log, first_index)
  constraint batch_authenticator_root_after_check CHECK ((octet_length(root_after) = 32))
  constraint batch_authenticator_root_before_check CHECK ((octet_length(root_before) = 32))
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.batch_authenticator FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change()
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.batch_authenticator FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER other_logs AFTER INSERT ON sworn.batch_authenticator FOR EACH ROW WHEN (((split_part(new.log, '.'::text, 1) <> ALL (ARRAY['access'::text, 'control'::text])) AND (CURRENT_USER = 'sworn_recorder'::name))) EXECUTE FUNCTION sworn.refuse_recorder()
  CREATE TRIGGER own_logs AFTER INSERT ON sworn.batch_authenticator FOR EACH ROW WHEN (((split_part(new.log, '.'::text, 1) = ANY (ARRAY['access'::text, 'control'::text])) AND (CURRENT_USER <> 'sworn_recorder'::name))) EXECUTE FUNCTION sworn.refuse_row('access and control are written by the recorder alone')
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.batch_authenticator FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on batch_authenticator to sworn_recorder
  grant insert on batch_authenticator to sworn_writer
  grant select on batch_authenticator to sworn_checker
  grant select on batch_authenticator to sworn_reader
  grant select on batch_authenticator to sworn_signer

table check_cursor owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  next_index bigint not null
  frontier bytea not null
  verified bigint not null
  checked_at timestamp with time zone not null
  scrub_index bigint not null
  scrub_frontier bytea not null
  scrub_began_at timestamp with time zone not null
  scrubbed_at timestamp with time zone
  conflicts bigint not null default 0
  skewed bigint not null default 0
  mac bytea
  gaps bigint not null default 0
  constraint check_cursor_conflicts_check CHECK ((conflicts >= 0))
  constraint check_cursor_gaps_check CHECK ((gaps >= 0))
  constraint check_cursor_next_index_check CHECK ((next_index >= 0))
  constraint check_cursor_pkey PRIMARY KEY (tenant_id, log)
  constraint check_cursor_scrub_index_check CHECK ((scrub_index >= 0))
  constraint check_cursor_skewed_check CHECK ((skewed >= 0))
  constraint check_cursor_verified_check CHECK ((verified >= 0))
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.check_cursor FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on check_cursor to sworn_recorder
  grant select on check_cursor to sworn_checker
  grant select on check_cursor to sworn_reader
  grant select on check_cursor to sworn_recorder
  grant update on check_cursor to sworn_recorder

table check_round owner sworn_owner row security forced
  one boolean not null default true
  at timestamp with time zone not null
  mac bytea not null
  constraint check_round_one_check CHECK (one)
  constraint check_round_pkey PRIMARY KEY (one)
  policy no_tenant permissive for all to public using (true) with check (true)
  grant insert on check_round to sworn_recorder
  grant select on check_round to sworn_checker
  grant select on check_round to sworn_reader
  grant select on check_round to sworn_recorder
  grant update on check_round to sworn_recorder

table checkpoint owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  size bigint not null
  root bytea not null
  note text not null
  signed_at timestamp with time zone not null
  constraint checkpoint_pkey PRIMARY KEY (tenant_id, log, size)
  constraint checkpoint_root_check CHECK ((octet_length(root) = 32))
  constraint checkpoint_size_check CHECK ((size > 0))
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.checkpoint FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change()
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.checkpoint FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.checkpoint FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on checkpoint to sworn_signer
  grant select on checkpoint to sworn_checker
  grant select on checkpoint to sworn_reader
  grant select on checkpoint to sworn_remover
  grant select on checkpoint to sworn_signer

table control_records owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  kind text not null
  subject text
  constraint control_records_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  CREATE INDEX control_records_kind ON sworn.control_records USING btree (tenant_id, kind, leaf_index)
  CREATE INDEX control_records_subject ON sworn.control_records USING btree (tenant_id, subject, leaf_index) WHERE (subject IS NOT NULL)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.control_records FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.control_records FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER own_logs AFTER INSERT ON sworn.control_records FOR EACH ROW WHEN ((CURRENT_USER <> 'sworn_recorder'::name)) EXECUTE FUNCTION sworn.refuse_row('written by the recorder alone')
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.control_records FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on control_records to sworn_remover
  grant insert on control_records to sworn_recorder
  grant select on control_records to sworn_checker
  grant select on control_records to sworn_reader
  grant select on control_records to sworn_remover

table data_key owner sworn_owner row security forced
  tenant_id uuid not null
  dk uuid not null
  scope bytea not null
  epoch integer not null
  wrapped bytea not null
  created_at timestamp with time zone not null
  constraint data_key_pkey PRIMARY KEY (tenant_id, dk)
  constraint data_key_scope UNIQUE (tenant_id, scope)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.data_key FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on data_key to sworn_remover
  grant insert on data_key to sworn_recorder
  grant insert on data_key to sworn_writer
  grant select on data_key to sworn_checker
  grant select on data_key to sworn_reader
  grant select on data_key to sworn_recorder
  grant select on data_key to sworn_remover
  grant select on data_key to sworn_writer
  grant update (epoch, wrapped) on data_key to sworn_recorder

table deployment owner sworn_owner row security forced
  id text not null
  platform_tenant uuid not null
  created_at timestamp with time zone not null
  constraint deployment_pkey PRIMARY KEY (id)
  policy no_tenant permissive for all to public using (true) with check (true)
  grant insert on deployment to sworn_recorder
  grant select on deployment to sworn_checker
  grant select on deployment to sworn_reader
  grant select on deployment to sworn_recorder
  grant select on deployment to sworn_signer
  grant select on deployment to sworn_writer

table directory owner sworn_owner row security forced
  tenant_id uuid not null
  token text not null
  value bytea not null
  dk uuid not null
  constraint directory_pkey PRIMARY KEY (tenant_id, token)
  CREATE INDEX directory_key ON sworn.directory USING btree (tenant_id, dk)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.directory FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on directory to sworn_remover
  grant insert on directory to sworn_recorder
  grant insert on directory to sworn_writer
  grant select on directory to sworn_checker
  grant select on directory to sworn_reader
  grant select on directory to sworn_recorder
  grant select on directory to sworn_remover
  grant select on directory to sworn_writer

table finding_seen owner sworn_owner row security forced
  tenant_id uuid not null
  finding text not null
  last_seen_at timestamp with time zone not null
  constraint finding_seen_pkey PRIMARY KEY (tenant_id, finding)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.finding_seen FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on finding_seen to sworn_recorder
  grant select on finding_seen to sworn_checker
  grant select on finding_seen to sworn_reader
  grant select on finding_seen to sworn_recorder
  grant update on finding_seen to sworn_recorder

table ingest_day owner sworn_owner row security forced
  tenant_id uuid not null
  day text not null
  bytes bigint not null
  constraint ingest_day_bytes_check CHECK ((bytes >= 0))
  constraint ingest_day_day_check CHECK ((day ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$'::text))
  constraint ingest_day_pkey PRIMARY KEY (tenant_id, day)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.ingest_day FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on ingest_day to sworn_writer
  grant insert on ingest_day to sworn_writer
  grant select on ingest_day to sworn_checker
  grant select on ingest_day to sworn_reader
  grant select on ingest_day to sworn_writer
  grant update on ingest_day to sworn_writer

table leaf owner sworn_owner row security forced with toast_tuple_target=8160
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  kind text not null
  leaf bytea not null storage external
  leaf_hash bytea not null
  event_key bytea not null
  trace_id bytea
  run_id text
  occurred_at timestamp with time zone not null
  recorded_at timestamp with time zone not null
  body bytea storage external
  digest bytea not null
  dk uuid
  constraint leaf_body_has_key CHECK (((body IS NULL) OR (dk IS NOT NULL)))
  constraint leaf_digest_check CHECK ((octet_length(digest) = 32))
  constraint leaf_event_key UNIQUE (tenant_id, event_key, log)
  constraint leaf_event_key_check CHECK ((octet_length(event_key) = ANY (ARRAY[24, 32])))
  constraint leaf_leaf_check CHECK ((octet_length(leaf) <= 16384))
  constraint leaf_leaf_hash_check CHECK ((octet_length(leaf_hash) = 32))
  constraint leaf_leaf_index_check CHECK ((leaf_index >= 0))
  constraint leaf_log_check CHECK ((split_part(log, '.'::text, 1) = ANY (ARRAY['llm-runs'::text, 'system'::text, 'audit'::text, 'access'::text, 'control'::text])))
  constraint leaf_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  constraint leaf_trace_id_check CHECK ((octet_length(trace_id) = 16))
  CREATE INDEX leaf_occurred ON sworn.leaf USING btree (tenant_id, log, occurred_at, leaf_index) WHERE (log < 'd'::text)
  CREATE INDEX leaf_system_entries ON sworn.leaf USING btree (tenant_id, leaf_index, log) WHERE ((log > 's'::text) AND (kind <> 'RESOURCE'::text) AND (kind <> 'TELEMETRY'::text))
  CREATE INDEX leaf_trace ON sworn.leaf USING btree (tenant_id, trace_id, leaf_index)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.leaf FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.leaf FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER other_logs AFTER INSERT ON sworn.leaf FOR EACH ROW WHEN (((split_part(new.log, '.'::text, 1) <> ALL (ARRAY['access'::text, 'control'::text])) AND (CURRENT_USER = 'sworn_recorder'::name))) EXECUTE FUNCTION sworn.refuse_recorder()
  CREATE TRIGGER own_logs AFTER INSERT ON sworn.leaf FOR EACH ROW WHEN (((split_part(new.log, '.'::text, 1) = ANY (ARRAY['access'::text, 'control'::text])) AND (CURRENT_USER <> 'sworn_recorder'::name))) EXECUTE FUNCTION sworn.refuse_row('access and control are written by the recorder alone')
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.leaf FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on leaf to sworn_remover
  grant insert on leaf to sworn_recorder
  grant insert on leaf to sworn_writer
  grant select (tenant_id, log, leaf_index, kind, leaf_hash, event_key, trace_id, recorded_at, digest) on leaf to sworn_recorder
  grant select (tenant_id, log, leaf_index, kind, leaf_hash, event_key, trace_id, recorded_at, digest) on leaf to sworn_writer
  grant select on leaf to sworn_checker
  grant select on leaf to sworn_reader
  grant select on leaf to sworn_remover
  grant update (body) on leaf to sworn_remover

table lease owner sworn_owner row security forced
  name text not null
  holder text not null
  until timestamp with time zone not null
  constraint lease_pkey PRIMARY KEY (name)
  policy no_tenant permissive for all to public using (true) with check (true)
  grant delete on lease to sworn_recorder
  grant delete on lease to sworn_signer
  grant delete on lease to sworn_writer
  grant insert on lease to sworn_recorder
  grant insert on lease to sworn_signer
  grant insert on lease to sworn_writer
  grant select on lease to sworn_checker
  grant select on lease to sworn_recorder
  grant select on lease to sworn_signer
  grant select on lease to sworn_writer
  grant update on lease to sworn_recorder
  grant update on lease to sworn_signer
  grant update on lease to sworn_writer

table llm_run_records owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  kind text not null
  run_id text not null
  revision integer not null
  run_index bigint not null
  run_occurred_at timestamp with time zone not null
  trace_id bytea
  conversation_id text
  correlation_id text
  agent_id text
  human_actor_id text
  executor_type text
  provider text
  model text
  tools text[]
  service text
  environment text
  release text
  execution_status text not null
  outcome text
  error_type text
  policy_ids text[]
  incident_ids text[]
  had_errors boolean not null
  is_synthetic boolean not null
  source text not null
  cost_nano_usd bigint
  duration_us bigint
  started_at timestamp with time zone not null
  completed_at timestamp with time zone
  superseded_by text
  waiting_for text
  cost_magnitude integer default length(ltrim(((cost_nano_usd)::bit(64))::text, '0'::text))
  duration_magnitude integer default length(ltrim(((duration_us)::bit(64))::text, '0'::text))
  constraint llm_run_records_execution_status_check CHECK ((execution_status = ANY (ARRAY['RUNNING'::text, 'SUCCEEDED'::text, 'FAILED'::text, 'ABORTED'::text, 'TIMEOUT'::text])))
  constraint llm_run_records_executor_type_check CHECK ((executor_type = ANY (ARRAY['LLM'::text, 'AGENT'::text, 'HUMAN'::text])))
  constraint llm_run_records_kind_check CHECK ((kind = ANY (ARRAY['OPENED'::text, 'RUN'::text])))
  constraint llm_run_records_outcome_check CHECK ((outcome = ANY (ARRAY['SUCCESS'::text, 'FAILURE'::text, 'NEAR_THRESHOLD'::text, 'TERMINATED'::text])))
  constraint llm_run_records_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  constraint llm_run_records_revision UNIQUE (tenant_id, log, run_id, revision)
  constraint llm_run_records_revision_check CHECK ((revision >= 0))
  constraint llm_run_records_running CHECK (((execution_status <> 'RUNNING'::text) OR (kind = 'OPENED'::text) OR (waiting_for IS NOT NULL) OR (superseded_by IS NOT NULL)))
  constraint llm_run_records_source_check CHECK ((source = ANY (ARRAY['API'::text, 'SDK'::text, 'SYSTEM'::text, 'SYNTHETIC'::text, 'WORKER'::text])))
  constraint llm_run_records_trace_id_check CHECK ((octet_length(trace_id) = 16))
  constraint llm_run_records_waiting_for_check CHECK ((waiting_for = ANY (ARRAY['approval'::text, 'tool_call'::text])))
  CREATE INDEX llm_run_records_again ON sworn.llm_run_records USING btree (tenant_id, log, run_index) WHERE (revision >= 2)
  CREATE INDEX llm_run_records_agent ON sworn.llm_run_records USING btree (tenant_id, agent_id, run_index) WHERE (agent_id IS NOT NULL)
  CREATE INDEX llm_run_records_conversation ON sworn.llm_run_records USING btree (tenant_id, conversation_id, run_index) WHERE (conversation_id IS NOT NULL)
  CREATE INDEX llm_run_records_correlation ON sworn.llm_run_records USING btree (tenant_id, correlation_id, run_index) WHERE (correlation_id IS NOT NULL)
  CREATE INDEX llm_run_records_cost ON sworn.llm_run_records USING btree (tenant_id, cost_magnitude, run_index) WHERE (cost_magnitude IS NOT NULL)
  CREATE INDEX llm_run_records_duration ON sworn.llm_run_records USING btree (tenant_id, duration_magnitude, run_index) WHERE (duration_magnitude IS NOT NULL)
  CREATE INDEX llm_run_records_environment ON sworn.llm_run_records USING btree (tenant_id, environment, run_index) WHERE (environment IS NOT NULL)
  CREATE INDEX llm_run_records_error ON sworn.llm_run_records USING btree (tenant_id, error_type, run_index) WHERE (error_type IS NOT NULL)
  CREATE INDEX llm_run_records_errors ON sworn.llm_run_records USING btree (tenant_id, run_index) WHERE had_errors
  CREATE INDEX llm_run_records_human ON sworn.llm_run_records USING btree (tenant_id, human_actor_id, run_index) WHERE (human_actor_id IS NOT NULL)
  CREATE INDEX llm_run_records_model ON sworn.llm_run_records USING btree (tenant_id, model, run_index) WHERE (model IS NOT NULL)
  CREATE INDEX llm_run_records_occurred ON sworn.llm_run_records USING btree (tenant_id, log, run_occurred_at, run_index)
  CREATE INDEX llm_run_records_opened ON sworn.llm_run_records USING btree (tenant_id, log, run_index) WHERE (revision = 0)
  CREATE INDEX llm_run_records_outcome ON sworn.llm_run_records USING btree (tenant_id, outcome, run_index) WHERE (outcome IS NOT NULL)
  CREATE INDEX llm_run_records_place ON sworn.llm_run_records USING btree (tenant_id, log, run_index, revision)
  CREATE INDEX llm_run_records_provider ON sworn.llm_run_records USING btree (tenant_id, provider, run_index) WHERE (provider IS NOT NULL)
  CREATE INDEX llm_run_records_release ON sworn.llm_run_records USING btree (tenant_id, release, run_index) WHERE (release IS NOT NULL)
  CREATE INDEX llm_run_records_service ON sworn.llm_run_records USING btree (tenant_id, service, run_index) WHERE (service IS NOT NULL)
  CREATE INDEX llm_run_records_source ON sworn.llm_run_records USING btree (tenant_id, source, run_index)
  CREATE INDEX llm_run_records_status ON sworn.llm_run_records USING btree (tenant_id, execution_status, run_index)
  CREATE INDEX llm_run_records_superseded ON sworn.llm_run_records USING btree (tenant_id, log, run_index) WHERE (superseded_by IS NOT NULL)
  CREATE INDEX llm_run_records_synthetic ON sworn.llm_run_records USING btree (tenant_id, run_index) WHERE is_synthetic
  CREATE INDEX llm_run_records_waiting ON sworn.llm_run_records USING btree (tenant_id, conversation_id, run_index) WHERE (waiting_for IS NOT NULL)
  CREATE INDEX llm_run_records_waits ON sworn.llm_run_records USING btree (tenant_id, log, run_index) WHERE (waiting_for IS NOT NULL)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.llm_run_records FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.llm_run_records FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.llm_run_records FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on llm_run_records to sworn_remover
  grant insert on llm_run_records to sworn_writer
  grant select (tenant_id, log, leaf_index) on llm_run_records to sworn_remover
  grant select on llm_run_records to sworn_checker
  grant select on llm_run_records to sworn_reader

table log_head owner sworn_owner row security forced
  tenant_id uuid not null
  topic text not null
  log text not null
  generation integer not null
  next_index bigint not null
  frontier bytea not null
  root bytea not null
  last_recorded_at timestamp with time zone
  closed boolean not null default false
  constraint log_head_check CHECK ((log =
CASE
    WHEN (generation = 1) THEN topic
    ELSE ((topic || '.'::text) || generation)
END))
  constraint log_head_generation_check CHECK ((generation >= 1))
  constraint log_head_next_index_check CHECK ((next_index >= 0))
  constraint log_head_pkey PRIMARY KEY (tenant_id, log)
  constraint log_head_root_check CHECK ((octet_length(root) = 32))
  constraint log_head_topic_check CHECK ((topic = ANY (ARRAY['llm-runs'::text, 'system'::text, 'audit'::text, 'access'::text, 'control'::text])))
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.log_head FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on log_head to sworn_recorder
  grant select on log_head to sworn_checker
  grant select on log_head to sworn_reader
  grant select on log_head to sworn_recorder
  grant select on log_head to sworn_signer
  grant select on log_head to sworn_writer
  grant update (next_index, frontier, root, last_recorded_at) on log_head to sworn_writer
  grant update (next_index, frontier, root, last_recorded_at, closed) on log_head to sworn_recorder

table migration owner sworn_owner row security forced
  number integer not null
  name text not null
  sha256 text not null
  applied_at timestamp with time zone not null
  constraint migration_pkey PRIMARY KEY (number)
  policy no_tenant permissive for all to public using (true) with check (true)
  grant select on migration to sworn_checker
  grant select on migration to sworn_reader
  grant select on migration to sworn_recorder
  grant select on migration to sworn_signer
  grant select on migration to sworn_writer

table open_run owner sworn_owner row security forced
  tenant_id uuid not null
  run_id text not null
  trace_id bytea not null
  opened_index bigint not null
  run_occurred_at timestamp with time zone not null
  revision integer not null
  steps bigint not null
  last_index bigint not null
  last_seen_at timestamp with time zone not null
  root_seen_at timestamp with time zone
  grace_ms integer not null
  idle_ms integer not null
  due_at timestamp with time zone not null
  last_event bigint not null default '-1'::integer
  constraint open_run_pkey PRIMARY KEY (tenant_id, run_id)
  CREATE INDEX open_run_due ON sworn.open_run USING btree (tenant_id, due_at)
  CREATE INDEX open_run_place ON sworn.open_run USING btree (tenant_id, opened_index)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.open_run FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on open_run to sworn_writer
  grant insert on open_run to sworn_writer
  grant select on open_run to sworn_checker
  grant select on open_run to sworn_reader
  grant select on open_run to sworn_writer
  grant update on open_run to sworn_writer

table resources owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  part text not null
  leaf_hash bytea not null
  service text
  service_instance text
  host_id text
  environment text
  constraint resources_leaf_hash_check CHECK ((octet_length(leaf_hash) = 32))
  constraint resources_part_check CHECK ((part = ANY (ARRAY['resource'::text, 'scope'::text])))
  constraint resources_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  CREATE INDEX resources_hash ON sworn.resources USING btree (tenant_id, leaf_hash)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.resources FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.resources FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.resources FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on resources to sworn_remover
  grant insert on resources to sworn_recorder
  grant insert on resources to sworn_writer
  grant select (tenant_id, log, leaf_index) on resources to sworn_remover
  grant select on resources to sworn_checker
  grant select on resources to sworn_reader

table run_members owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  run_id text not null
  trace_id bytea not null
  whole boolean not null
  roots bytea[]
  constraint run_members_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  constraint run_members_trace_id_check CHECK ((octet_length(trace_id) = 16))
  CREATE INDEX run_members_run ON sworn.run_members USING btree (tenant_id, run_id, leaf_index)
  CREATE INDEX run_members_trace ON sworn.run_members USING btree (tenant_id, trace_id, leaf_index)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.run_members FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.run_members FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.run_members FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on run_members to sworn_remover
  grant insert on run_members to sworn_writer
  grant select (tenant_id, log, leaf_index) on run_members to sworn_remover
  grant select on run_members to sworn_checker
  grant select on run_members to sworn_reader

table run_names owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  field text not null
  value text not null
  run_index bigint not null
  constraint run_names_field_check CHECK ((field = ANY (ARRAY['tool'::text, 'policy'::text, 'incident'::text])))
  constraint run_names_pkey PRIMARY KEY (tenant_id, log, leaf_index, field, value)
  CREATE INDEX run_names_value ON sworn.run_names USING btree (tenant_id, log, field, value, run_index, leaf_index)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.run_names FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.run_names FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.run_names FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on run_names to sworn_remover
  grant insert on run_names to sworn_writer
  grant select (tenant_id, log, leaf_index) on run_names to sworn_remover
  grant select on run_names to sworn_checker
  grant select on run_names to sworn_reader

table seal_cursor owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  next_index bigint not null
  constraint seal_cursor_pkey PRIMARY KEY (tenant_id, log)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.seal_cursor FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on seal_cursor to sworn_writer
  grant insert on seal_cursor to sworn_writer
  grant select on seal_cursor to sworn_checker
  grant select on seal_cursor to sworn_reader
  grant select on seal_cursor to sworn_writer
  grant update on seal_cursor to sworn_writer

table sink_confirmation owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  sink text not null
  size bigint not null
  root bytea not null
  outside boolean not null
  mac bytea not null
  confirmed_at timestamp with time zone not null
  constraint sink_confirmation_pkey PRIMARY KEY (tenant_id, log, sink)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.sink_confirmation FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on sink_confirmation to sworn_signer
  grant insert on sink_confirmation to sworn_signer
  grant select on sink_confirmation to sworn_checker
  grant select on sink_confirmation to sworn_reader
  grant select on sink_confirmation to sworn_signer
  grant update on sink_confirmation to sworn_signer

table system_records owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  event_type text not null
  conflict_of bigint
  event_name text
  severity text not null
  component text
  service text
  instance text
  correlation_id text
  trace_id bytea
  occurred_at timestamp with time zone not null
  hinted_run text
  shared boolean
  signal text
  constraint system_records_event_type_check CHECK ((event_type = ANY (ARRAY['STARTUP'::text, 'SHUTDOWN'::text, 'RESTART'::text, 'DEPLOY'::text, 'MIGRATION'::text, 'AUTH_CHANGE'::text, 'CONFIG_CHANGE'::text, 'ERROR'::text, 'HEALTH_CHECK'::text, 'SCALE'::text, 'EVICTION'::text, 'OOM'::text, 'THROTTLED'::text, 'DISK'::text, 'PROVIDER_OUTAGE'::text, 'TELEMETRY_GAP'::text, 'LOG'::text])))
  constraint system_records_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  constraint system_records_severity_check CHECK ((severity = ANY (ARRAY['INFO'::text, 'WARN'::text, 'CRITICAL'::text])))
  constraint system_records_trace_id_check CHECK ((octet_length(trace_id) = 16))
  CREATE INDEX system_records_bound ON sworn.system_records USING btree (tenant_id, correlation_id, occurred_at, leaf_index) WHERE ((correlation_id IS NOT NULL) AND (correlation_id IS DISTINCT FROM encode(trace_id, 'hex'::text)))
  CREATE INDEX system_records_change ON sworn.system_records USING btree (tenant_id, instance, occurred_at, leaf_index) WHERE ((instance IS NOT NULL) AND (event_type = ANY (ARRAY['STARTUP'::text, 'DEPLOY'::text, 'CONFIG_CHANGE'::text])))
  CREATE INDEX system_records_component ON sworn.system_records USING btree (tenant_id, component, leaf_index) WHERE (component IS NOT NULL)
  CREATE INDEX system_records_conflict ON sworn.system_records USING btree (tenant_id, conflict_of, leaf_index) WHERE (conflict_of IS NOT NULL)
  CREATE INDEX system_records_correlation ON sworn.system_records USING btree (tenant_id, correlation_id, leaf_index) WHERE (correlation_id IS NOT NULL)
  CREATE INDEX system_records_gap ON sworn.system_records USING btree (tenant_id, service, signal, leaf_index) WHERE (signal IS NOT NULL)
  CREATE INDEX system_records_gap_time ON sworn.system_records USING btree (tenant_id, service, signal, occurred_at, leaf_index) WHERE (signal IS NOT NULL)
  CREATE INDEX system_records_hinted_run ON sworn.system_records USING btree (tenant_id, hinted_run, occurred_at, leaf_index) WHERE (hinted_run IS NOT NULL)
  CREATE INDEX system_records_hosted ON sworn.system_records USING btree (tenant_id, log, occurred_at, leaf_index) WHERE (instance IS NULL)
  CREATE INDEX system_records_instance ON sworn.system_records USING btree (tenant_id, instance, occurred_at, leaf_index) WHERE (instance IS NOT NULL)
  CREATE INDEX system_records_occurred ON sworn.system_records USING btree (tenant_id, log, occurred_at, leaf_index)
  CREATE INDEX system_records_service ON sworn.system_records USING btree (tenant_id, service, leaf_index) WHERE (service IS NOT NULL)
  CREATE INDEX system_records_severity ON sworn.system_records USING btree (tenant_id, severity, leaf_index)
  CREATE INDEX system_records_shared ON sworn.system_records USING btree (tenant_id, leaf_index) WHERE shared
  CREATE INDEX system_records_trace ON sworn.system_records USING btree (tenant_id, trace_id, occurred_at, leaf_index) WHERE (trace_id IS NOT NULL)
  CREATE INDEX system_records_type ON sworn.system_records USING btree (tenant_id, event_type, leaf_index)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.system_records FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.system_records FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER other_logs AFTER INSERT ON sworn.system_records FOR EACH ROW WHEN ((CURRENT_USER = 'sworn_recorder'::name)) EXECUTE FUNCTION sworn.refuse_recorder()
  CREATE TRIGGER own_logs AFTER INSERT ON sworn.system_records FOR EACH ROW WHEN ((new.shared AND (CURRENT_USER <> 'sworn_recorder'::name))) EXECUTE FUNCTION sworn.refuse_row('what is shared is written by the recorder alone')
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.system_records FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on system_records to sworn_remover
  grant insert on system_records to sworn_recorder
  grant insert on system_records to sworn_writer
  grant select (tenant_id, log, leaf_index) on system_records to sworn_remover
  grant select on system_records to sworn_checker
  grant select on system_records to sworn_reader

table telemetry_batches owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  leaf_index bigint not null
  service text
  environment text
  instance text
  host_id text
  host_name text
  process_pid bigint
  container_id text
  pod_uid text
  metrics integer not null
  points integer not null
  first_at timestamp with time zone
  occurred_at timestamp with time zone not null
  constraint telemetry_batches_metrics_check CHECK ((metrics > 0))
  constraint telemetry_batches_pkey PRIMARY KEY (tenant_id, log, leaf_index)
  constraint telemetry_batches_points_check CHECK ((points > 0))
  CREATE INDEX telemetry_batches_container ON sworn.telemetry_batches USING btree (tenant_id, container_id, occurred_at, leaf_index) WHERE (container_id IS NOT NULL)
  CREATE INDEX telemetry_batches_host ON sworn.telemetry_batches USING btree (tenant_id, host_id, occurred_at, leaf_index) WHERE (host_id IS NOT NULL)
  CREATE INDEX telemetry_batches_host_name ON sworn.telemetry_batches USING btree (tenant_id, host_name, occurred_at, leaf_index) WHERE (host_name IS NOT NULL)
  CREATE INDEX telemetry_batches_instance ON sworn.telemetry_batches USING btree (tenant_id, instance, occurred_at, leaf_index) WHERE (instance IS NOT NULL)
  CREATE INDEX telemetry_batches_occurred ON sworn.telemetry_batches USING btree (tenant_id, log, occurred_at, leaf_index)
  CREATE INDEX telemetry_batches_pod ON sworn.telemetry_batches USING btree (tenant_id, pod_uid, occurred_at, leaf_index) WHERE (pod_uid IS NOT NULL)
  CREATE INDEX telemetry_batches_process ON sworn.telemetry_batches USING btree (tenant_id, process_pid, occurred_at, leaf_index) WHERE (process_pid IS NOT NULL)
  CREATE INDEX telemetry_batches_service ON sworn.telemetry_batches USING btree (tenant_id, service, occurred_at, leaf_index) WHERE (service IS NOT NULL)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.telemetry_batches FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change('removable')
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.telemetry_batches FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.telemetry_batches FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant delete on telemetry_batches to sworn_remover
  grant insert on telemetry_batches to sworn_writer
  grant select (tenant_id, log, leaf_index) on telemetry_batches to sworn_remover
  grant select on telemetry_batches to sworn_checker
  grant select on telemetry_batches to sworn_reader

table tenant owner sworn_owner row security forced
  tenant_id uuid not null
  name text not null
  synthetic boolean not null
  platform boolean not null
  created_at timestamp with time zone not null
  control_index bigint
  constraint tenant_pkey PRIMARY KEY (tenant_id)
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  policy tenants_listed permissive for select to sworn_recorder, sworn_signer, sworn_writer using (true)
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.tenant FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on tenant to sworn_recorder
  grant select on tenant to sworn_checker
  grant select on tenant to sworn_reader
  grant select on tenant to sworn_recorder
  grant select on tenant to sworn_remover
  grant select on tenant to sworn_signer
  grant select on tenant to sworn_writer
  grant update (control_index) on tenant to sworn_recorder

table tile owner sworn_owner row security forced
  tenant_id uuid not null
  log text not null
  level smallint not null
  tile_index bigint not null
  hashes bytea not null
  constraint tile_hashes_check CHECK ((octet_length(hashes) = 8192))
  constraint tile_level_check CHECK (((level >= 0) AND (level <= 7)))
  constraint tile_pkey PRIMARY KEY (tenant_id, log, level, tile_index)
  constraint tile_tile_index_check CHECK ((tile_index >= 0))
  policy checker_reads_all permissive for select to sworn_checker using (true)
  policy tenant_wall permissive for all to public using ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) with check ((tenant_id = (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid))
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sworn.tile FOR EACH ROW EXECUTE FUNCTION sworn.refuse_change()
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON sworn.tile FOR EACH STATEMENT EXECUTE FUNCTION sworn.refuse_truncate()
  CREATE TRIGGER other_logs AFTER INSERT ON sworn.tile FOR EACH ROW WHEN (((split_part(new.log, '.'::text, 1) <> ALL (ARRAY['access'::text, 'control'::text])) AND (CURRENT_USER = 'sworn_recorder'::name))) EXECUTE FUNCTION sworn.refuse_recorder()
  CREATE TRIGGER own_logs AFTER INSERT ON sworn.tile FOR EACH ROW WHEN (((split_part(new.log, '.'::text, 1) = ANY (ARRAY['access'::text, 'control'::text])) AND (CURRENT_USER <> 'sworn_recorder'::name))) EXECUTE FUNCTION sworn.refuse_row('access and control are written by the recorder alone')
  CREATE TRIGGER tenant_wall AFTER INSERT OR UPDATE ON sworn.tile FOR EACH ROW WHEN ((new.tenant_id IS DISTINCT FROM (NULLIF(current_setting('sworn.tenant'::text, true), ''::text))::uuid)) EXECUTE FUNCTION sworn.refuse_row('the row is of another tenant than the transaction')
  grant insert on tile to sworn_recorder
  grant insert on tile to sworn_writer
  grant select on tile to sworn_checker
  grant select on tile to sworn_reader
  grant select on tile to sworn_recorder
  grant select on tile to sworn_writer

function sworn.erase(uuid,text,bigint[]) owner sworn_remover security definer
CREATE OR REPLACE FUNCTION sworn.erase(of_tenant uuid, of_log text, indexes bigint[])
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  keys uuid[];
  erased bigint;
begin
  if of_tenant is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid or of_tenant is null then
    raise exception 'erase: another tenant than the transaction''s' using errcode = 'SW002';
  end if;
  if cardinality(indexes) > 10000 then
    raise exception 'erase: more than 10000 leaves at once' using errcode = 'SW005';
  end if;
  perform sworn.refuse_held(of_tenant);
  select array_agg(distinct key::uuid) into keys
    from sworn.proven_control(of_tenant, 'ERASURE') erasure, jsonb_array_elements_text(erasure -> 'keys') key;
  if exists (
    select from sworn.leaf
     where tenant_id = of_tenant and log = of_log and leaf_index = any (indexes) and dk is not null
       and not dk = any (coalesce(keys, '{}')))
  then
    raise exception 'erase: no proven ERASURE leaf names the key' using errcode = 'SW003';
  end if;
  delete from sworn.directory d using sworn.leaf l
   where l.tenant_id = of_tenant and l.log = of_log and l.leaf_index = any (indexes) and d.tenant_id = of_tenant and d.dk = l.dk;
  delete from sworn.data_key k using sworn.leaf l
   where l.tenant_id = of_tenant and l.log = of_log and l.leaf_index = any (indexes) and k.tenant_id = of_tenant and k.dk = l.dk;
  update sworn.leaf set body = null
   where tenant_id = of_tenant and log = of_log and leaf_index = any (indexes) and body is not null;
  get diagnostics erased = row_count;
  return erased;
end
$function$
  grant execute on function sworn.erase(uuid,text,bigint[]) to sworn_recorder

function sworn.proven_control(uuid,text) owner sworn_remover
CREATE OR REPLACE FUNCTION sworn.proven_control(of_tenant uuid, of_kind text)
 RETURNS SETOF jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select convert_from(l.leaf, 'UTF8')::jsonb
    from sworn.control_records c
    join sworn.leaf l on l.tenant_id = c.tenant_id and l.log = c.log and l.leaf_index = c.leaf_index
   where c.tenant_id = of_tenant and c.kind = of_kind and l.kind = of_kind
     and split_part(l.log, '.', 1) = 'control'
     and l.leaf_hash = sha256('\x00'::bytea || l.leaf)
     and convert_from(l.leaf, 'UTF8')::jsonb ->> 'kind' = of_kind
     and convert_from(l.leaf, 'UTF8')::jsonb ->> 'by' = 'sworn'
     and exists (select from sworn.checkpoint p where p.tenant_id = l.tenant_id and p.log = l.log and p.size > l.leaf_index)
$function$

function sworn.refuse_change() owner sworn_owner
CREATE OR REPLACE FUNCTION sworn.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if current_user = 'sworn_remover' and tg_nargs > 0 then
    if tg_op = 'DELETE' then
      return old;
    end if;
    if tg_table_name = 'leaf' then
      old.body := null;
      if new is not distinct from old then
        return new;
      end if;
    end if;
  end if;
  raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'SW001';
end
$function$

function sworn.refuse_held(uuid) owner sworn_remover
CREATE OR REPLACE FUNCTION sworn.refuse_held(of_tenant uuid)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  -- A hold counts as soon as its leaf is there; its release only once proven.
  if exists (
    select from sworn.control_records c
      join sworn.leaf l on l.tenant_id = c.tenant_id and l.log = c.log and l.leaf_index = c.leaf_index
     where c.tenant_id = of_tenant and c.kind = 'HOLD'
       and not exists (
         select from sworn.proven_control(of_tenant, 'HOLD_RELEASED') released
          where released ->> 'hold' = convert_from(l.leaf, 'UTF8')::jsonb ->> 'hold'))
  then
    raise exception 'a hold is open' using errcode = 'SW004';
  end if;
end
$function$

function sworn.refuse_recorder() owner sworn_owner
CREATE OR REPLACE FUNCTION sworn.refuse_recorder()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if split_part(new.log, '.', 1) = 'system' and exists (select from sworn.deployment where platform_tenant = new.tenant_id) then
    return null;
  end if;
  raise exception '%: the recorder writes access, control and the platform''s system', tg_table_name using errcode = 'SW002';
end
$function$

function sworn.refuse_row() owner sworn_owner
CREATE OR REPLACE FUNCTION sworn.refuse_row()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception '%: %', tg_table_name, tg_argv[0] using errcode = 'SW002';
end
$function$

function sworn.refuse_truncate() owner sworn_owner
CREATE OR REPLACE FUNCTION sworn.refuse_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception '% is append-only: TRUNCATE refused', tg_table_name using errcode = 'SW001';
end
$function$

function sworn.retain(uuid,text,bigint,integer) owner sworn_remover security definer
CREATE OR REPLACE FUNCTION sworn.retain(of_tenant uuid, of_log text, below bigint, chunk integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  topic constant text := split_part(of_log, '.', 1);
  floor interval;
  upto bigint;
  removed bigint;
begin
  if of_tenant is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid or of_tenant is null then
    raise exception 'retain: another tenant than the transaction''s' using errcode = 'SW002';
  end if;
  if chunk is null or chunk not between 1 and 10000 then
    raise exception 'retain: a chunk is 1 to 10000 leaves' using errcode = 'SW005';
  end if;
  perform sworn.refuse_held(of_tenant);
  if topic in ('llm-runs', 'system') then
    select case when synthetic then interval '7 days' else interval '183 days' end into floor from sworn.tenant where tenant_id = of_tenant;
  elsif topic = 'access' then
    floor := interval '396 days';
  end if;
  if floor is null then
    raise exception 'retain: this log is never removed' using errcode = 'SW006';
  end if;
  if not exists (
    select from sworn.proven_control(of_tenant, 'RETENTION') allowed
     where allowed ->> 'of' = of_log and (allowed ->> 'below')::bigint >= below)
  then
    raise exception 'retain: no proven RETENTION leaf allows it' using errcode = 'SW003';
  end if;
  -- recorded_at never goes back within a log (V7), so the newest leaf of the prefix speaks for all of it.
  if (select recorded_at from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < below order by leaf_index desc limit 1)
     > clock_timestamp() - floor
  then
    raise exception 'retain: younger than the floor' using errcode = 'SW006';
  end if;
  select max(leaf_index) + 1 into upto from (
    select leaf_index from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < below order by leaf_index limit chunk) oldest;
  if upto is null then
    return 0;
  end if;
  delete from sworn.llm_run_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.run_names where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.run_members where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.resources where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.system_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.audit_ledger where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.telemetry_batches where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.access_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  get diagnostics removed = row_count;
  return removed;
end
$function$
  grant execute on function sworn.retain(uuid,text,bigint,integer) to sworn_recorder
