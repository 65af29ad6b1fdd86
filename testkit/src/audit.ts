import { hex, leafHash, type Topic, TOPICS } from '@sworn/evidence';
import pg from 'pg';
import { openAuditKeys } from './auditKeys.js';
import { auditLog, type AuditedLog, type LeafRow, type LogRows } from './auditLog.js';
import { auditRuns } from './auditRuns.js';

/** What is audited, and what the auditor holds outside of the database. */
export interface AuditSubject {
  /** A superuser's connection: base tables, no policy. */
  readonly connection: pg.ClientConfig;
  /** First part of every origin. */
  readonly deploymentId: string;
  readonly keyDir: string;
  /** Null: nobody signs here. */
  readonly signerDir: string | null;
  /** Only these tenants; absent: all. */
  readonly tenants?: readonly string[];
  /** Whether all is quiet: every run sealed, every log signed to its end. */
  readonly settled?: boolean;
}

/** What an audit found. */
export interface Audit {
  /** One sentence each; none: sound. At most `PROBLEMS_TOLD`. */
  readonly problems: readonly string[];
  readonly logs: readonly AuditedLog[];
  /** Stored STEP leaves by `<tenant>/<event key, hex>`. */
  readonly steps: ReadonlySet<string>;
}

/** A log that is wrong is wrong in thousands of places. */
const PROBLEMS_TOLD = 50;

/**
 * Recomputes everything a history must leave behind from the base tables in one snapshot: dense indexes, leaf hashes, tiles, frontier,
 * root, the chain of batch authenticators, checkpoints and the signer's memory, bodies, projections, runs. Shares no code with the
 * sequencer, signer and sealer it judges.
 */
export async function auditDatabase(subject: AuditSubject): Promise<Audit> {
  const client = new pg.Client(subject.connection);
  client.on('error', () => undefined);
  await client.connect();
  try {
    // The cluster ends a transaction that idles for five seconds, and hashing takes its time.
    await client.query(
      `begin isolation level repeatable read read only; set local idle_in_transaction_session_timeout = 0; set local timezone = 'UTC'`,
    );
    return await auditSnapshot(client, subject);
  } finally {
    await client.end();
  }
}

async function auditSnapshot(client: pg.Client, subject: AuditSubject): Promise<Audit> {
  const problems: string[] = [];
  const told = (problem: string): void => {
    if (problems.length < PROBLEMS_TOLD) problems.push(problem);
  };
  const keys = openAuditKeys(subject);
  const logs: AuditedLog[] = [];
  const steps = new Set<string>();
  const tenants = await read<{ id: string }>(
    client,
    `select distinct tenant_id::text as id from sworn.log_head where $1::uuid[] is null or tenant_id = any($1::uuid[]) order by id`,
    [subject.tenants ?? null],
  );
  for (const { id } of tenants) {
    const heads = await read<{ log: string }>(client, `select log from sworn.log_head where tenant_id = $1`, [id]);
    const missing = TOPICS.filter((topic: Topic) => !heads.some(({ log }) => log.split('.')[0] === topic));
    if (missing.length > 0) told(`tenant ${id} has no log ${missing.join(', ')}`);
    for (const { log } of heads) {
      const rows = await readLog(client, id, log);
      const origin = `${subject.deploymentId}/${id}/${log}`;
      const say = (problem: string): void => told(`${id}/${log}: ${problem}`);
      logs.push(auditLog({ rows, origin, keys, say, settled: subject.settled === true && subject.signerDir !== null }));
      await auditBodies(client, id, origin, rows.leaves);
      if (log.split('.')[0] === 'llm-runs') {
        for (const leaf of rows.leaves) if (leaf.kind === 'STEP') steps.add(`${id}/${hex(leaf.event_key)}`);
        auditRuns(rows.leaves, say, subject.settled === true);
      }
    }
    await auditProjections(client, id, (problem) => told(`${id}: ${problem}`));
    if (subject.settled === true) await auditQuiet(client, id, (problem) => told(`${id}: ${problem}`));
  }
  return { problems, logs, steps };

  async function auditBodies(of: pg.Client, tenantId: string, origin: string, leaves: readonly LeafRow[]) {
    const stored = await read<{ dk: string; epoch: number; wrapped: Buffer }>(
      of,
      `select dk::text, epoch, wrapped from sworn.data_key where tenant_id = $1`,
      [tenantId],
    );
    const dataKeys = new Map(stored.map((row) => [row.dk, row]));
    for (const leaf of leaves) {
      const problem = keys.problemOfBody(tenantId, origin, leaf, dataKeys);
      if (problem !== null) told(`${origin} ${leaf.leaf_index}: ${problem}`);
    }
  }
}

/** RFC 3339 with six digits, as leaves have it. */
const AS_TEXT = `'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'`;

async function readLog(client: pg.Client, tenantId: string, log: string): Promise<LogRows> {
  const at = [tenantId, log];
  const [head] = await read<LogRows['head']>(
    client,
    `select next_index::float8 as next_index, frontier, root, to_char(last_recorded_at, ${AS_TEXT}) as last_recorded_at
       from sworn.log_head where tenant_id = $1 and log = $2`,
    at,
  );
  if (head === undefined) throw new Error('a head that was just there');
  return {
    head,
    leaves: await read(
      client,
      `select leaf_index::float8 as leaf_index, kind, leaf, leaf_hash, event_key, trace_id, run_id, to_char(occurred_at, ${AS_TEXT}) as occurred_at,
              to_char(recorded_at, ${AS_TEXT}) as recorded_at, body, dk::text
         from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index`,
      at,
    ),
    tiles: await read(
      client,
      `select level, tile_index::float8 as tile_index, hashes from sworn.tile where tenant_id = $1 and log = $2`,
      at,
    ),
    batches: await read(
      client,
      `select first_index::float8 as first_index, count::float8 as count, root_before, root_after, to_char(at, ${AS_TEXT}) as at, mac
         from sworn.batch_authenticator where tenant_id = $1 and log = $2 order by first_index`,
      at,
    ),
    checkpoints: await read(
      client,
      `select size::float8 as size, root, note from sworn.checkpoint where tenant_id = $1 and log = $2 order by size`,
      at,
    ),
  };
}

/** Kinds of a producer's records in `system` (CONTRACT.md §3, endpoint 7), and of those that contradict one. */
const SYSTEM_KINDS =
  `STARTUP SHUTDOWN RESTART DEPLOY MIGRATION AUTH_CHANGE CONFIG_CHANGE ERROR HEALTH_CHECK SCALE EVICTION OOM THROTTLED DISK
  PROVIDER_OUTAGE TELEMETRY_GAP LOG CONFLICT GAP`.split(/\s+/);

/** Which kinds have a row beside them, and where. */
const PROJECTIONS = [
  ['llm_run_records', 'llm-runs', ['OPENED', 'RUN']],
  ['run_members', 'llm-runs', ['MEMBER']],
  ['resources', 'system', ['RESOURCE']],
  ['system_records', 'system', SYSTEM_KINDS],
  ['telemetry_batches', 'system', ['TELEMETRY']],
  ['audit_ledger', 'audit', ['AUDIT', 'GOVERNANCE', 'CONFLICT']],
  ['access_records', 'access', null],
  ['control_records', 'control', null],
] as const;

async function auditProjections(client: pg.Client, tenantId: string, say: (problem: string) => void): Promise<void> {
  for (const [table, topic, kinds] of PROJECTIONS) {
    const unmatched = await read<{ log: string; leaf_index: number; lacks: string }>(
      client,
      `select coalesce(l.log, p.log) as log, coalesce(l.leaf_index, p.leaf_index)::float8 as leaf_index,
              case when l.leaf_index is null then 'leaf' else 'row' end as lacks
         from (select * from sworn.leaf where tenant_id = $1 and split_part(log, '.', 1) = $2 and ($3::text[] is null or kind = any($3::text[]))) l
         full join (select * from sworn.${table} where tenant_id = $1) p on p.log = l.log and p.leaf_index = l.leaf_index
        where l.leaf_index is null or p.leaf_index is null limit 5`,
      [tenantId, topic, kinds],
    );
    for (const { log, leaf_index, lacks } of unmatched) say(`${table}: no ${lacks} for ${log} ${leaf_index}`);
  }
  const names = await read<{ log: string; leaf_index: number }>(
    client,
    `with said as (
       select log, leaf_index, field, value from sworn.llm_run_records
        cross join lateral (select 'tool' as field, unnest(tools) as value union select 'policy', unnest(policy_ids)
          union select 'incident', unnest(incident_ids)) n where tenant_id = $1),
     stored as (select log, leaf_index, field, value from sworn.run_names where tenant_id = $1)
     select distinct log, leaf_index::float8 as leaf_index
       from ((table said except table stored) union all (table stored except table said)) d limit 5`,
    [tenantId],
  );
  for (const { log, leaf_index } of names) say(`run_names: not what the run at ${log} ${leaf_index} uses`);
  const resources = await read<{ leaf: Buffer; leaf_hash: Buffer; leaf_index: number }>(
    client,
    `select l.leaf, p.leaf_hash, l.leaf_index::float8 as leaf_index
       from sworn.resources p join sworn.leaf l using (tenant_id, log, leaf_index) where tenant_id = $1`,
    [tenantId],
  );
  for (const { leaf, leaf_hash, leaf_index } of resources)
    if (hex(leafHash(leaf)) !== hex(leaf_hash)) say(`resources ${leaf_index} has another leaf's hash`);
}

async function auditQuiet(client: pg.Client, tenantId: string, say: (problem: string) => void): Promise<void> {
  const [open] = await read<{ n: number }>(
    client,
    `select count(*)::int as n from sworn.open_run where tenant_id = $1`,
    [tenantId],
  );
  if (open?.n !== 0) say(`${open?.n} runs are open still`);
}

async function read<T extends object>(client: pg.Client, text: string, values: unknown[]): Promise<T[]> {
  return (await client.query<T & pg.QueryResultRow>(text, values)).rows;
}
