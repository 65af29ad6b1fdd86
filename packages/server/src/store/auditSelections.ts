import type { EntrySelection } from './entryPlaces.js';
import { type Sql, sql } from './sql.js';

/** What is asked of `audit_ledger`. Null: not asked. */
export interface LedgerFilters {
  readonly eventTypes: readonly string[] | null;
  readonly category: string | null;
  readonly entityType: string | null;
  /** Any of these. */
  readonly entityIds: readonly string[] | null;
  readonly actorType: string | null;
  readonly actorIds: readonly string[] | null;
  readonly decision: string | null;
  readonly runId: string | null;
  readonly policyId: string | null;
  readonly incidentId: string | null;
  readonly correlationId: string | null;
}

/** What is asked of `access_records`. Null: not asked. */
export interface AccessFilters {
  /** Kinds of leaves. */
  readonly kinds: readonly string[] | null;
  readonly runId: string | null;
  readonly recordId: string | null;
  /** What was read by its id. */
  readonly about: 'RUN' | 'RECORD' | null;
  /** Any of these: ids of keys, tokens of persons. */
  readonly credentialIds: readonly string[] | null;
  readonly actorType: ReaderType | null;
  readonly decision: string | null;
  readonly permission: string | null;
  readonly endpoint: string | null;
  /** Tokens. */
  readonly correlationId: string | null;
  readonly view: string | null;
}

/** What is asked of `control_records`. Null: not asked. */
export interface ControlFilters {
  readonly kinds: readonly string[] | null;
  /** Any of these. */
  readonly subjects: readonly string[] | null;
}

/** Indexes `audit_ledger_entity`, `…_run`, `…_correlation`, `…_incident`, `…_actor`, `…_policy`, `…_type`, `…_entity_type`, `…_category`, `…_decision`, `…_actor_type`. */
export function ledgerSelection(f: LedgerFilters): EntrySelection {
  const asked = [
    anyOf(sql`entity_id`, f.entityIds),
    anyOf(sql`run_id`, one(f.runId)),
    anyOf(sql`correlation_id`, one(f.correlationId)),
    anyOf(sql`incident_id`, one(f.incidentId)),
    anyOf(sql`actor_id`, f.actorIds),
    anyOf(sql`policy_id`, one(f.policyId)),
    anyOf(sql`event_type`, f.eventTypes),
    anyOf(sql`entity_type`, one(f.entityType)),
    anyOf(sql`category`, one(f.category)),
    anyOf(sql`decision`, one(f.decision)),
    anyOf(sql`actor_type`, one(f.actorType)),
  ].filter((values) => values !== null);
  return { table: 'audit_ledger', conditions: asked.map(either), leads: asked };
}

/**
 * Indexes `access_records_run`, `…_record`, `…_view`, `…_correlation`, `…_kind`, `…_decision`, `…_endpoint`, `…_credential`. READ and ALLOW are
 * what nearly all records are, and lead to nothing; nor do permission, what it was about, and who asked, which many are alike in.
 */
export function accessSelection(f: AccessFilters): EntrySelection {
  const leads = [
    anyOf(sql`run_id`, one(f.runId)),
    anyOf(sql`record_id`, one(f.recordId)),
    anyOf(sql`view`, one(f.view)),
    anyOf(sql`correlation_id`, one(f.correlationId)),
    // A value of the partial index, said so that the planner sees it.
    f.kinds?.includes('READ') === true
      ? null
      : (anyOf(sql`kind`, f.kinds)?.map((value) => sql`${value} and kind <> 'READ'`) ?? null),
    anyOf(sql`decision`, f.decision === 'ALLOW' ? null : one(f.decision)),
    anyOf(sql`endpoint`, one(f.endpoint)),
    anyOf(sql`credential_id`, f.credentialIds),
  ].filter((values) => values !== null);
  const others: Sql[] = [];
  if (f.kinds?.includes('READ') === true) others.push(sql`kind = any(${[...f.kinds]}::text[])`);
  if (f.decision === 'ALLOW') others.push(sql`decision = 'ALLOW'`);
  if (f.permission !== null) others.push(sql`permission = ${f.permission}`);
  if (f.about === 'RUN') others.push(sql`run_id is not null`);
  if (f.about === 'RECORD') others.push(sql`run_id is null and record_id is not null`);
  if (f.actorType !== null) others.push(READERS[f.actorType]);
  return { table: 'access_records', conditions: [...leads.map(either), ...others], leads };
}

/** Who reads. */
export type ReaderType = 'API_KEY' | 'HUMAN' | 'COMMAND' | 'UNKNOWN';

/** Who asked, as `access_records` says it: ids of persons are tokens, commands name themselves as their endpoint. */
export const READERS: Readonly<Record<ReaderType, Sql>> = {
  API_KEY: sql`credential_id is not null and left(credential_id, 4) <> 'tok_'`,
  HUMAN: sql`left(credential_id, 4) = 'tok_'`,
  COMMAND: sql`credential_id is null and endpoint like 'cli:%'`,
  UNKNOWN: sql`credential_id is null and endpoint not like 'cli:%'`,
};

/** Indexes `control_records_subject`, `…_kind`. */
export function controlSelection(f: ControlFilters): EntrySelection {
  const asked = [anyOf(sql`subject`, f.subjects), anyOf(sql`kind`, f.kinds)].filter((values) => values !== null);
  return { table: 'control_records', conditions: asked.map(either), leads: asked };
}

function one(value: string | null): readonly string[] | null {
  return value === null ? null : [value];
}

/** A condition a value; null: not asked. */
function anyOf(column: Sql, values: readonly string[] | null): readonly Sql[] | null {
  return values === null ? null : [...new Set(values)].map((value) => sql`${column} = ${value}`);
}

function either(values: readonly Sql[]): Sql {
  return values.length === 0 ? sql`false` : sql`(${sql.join(values, ' or ')})`;
}
