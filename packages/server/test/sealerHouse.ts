import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { EMPTY_ROOT, encodeLeaf, hex, type JsonValue } from '@sworn/evidence';
import { auditRuns, type LeafRow, testDatabase, type TestDatabase } from '@sworn/testkit';
import { createClockGuard } from '../src/record/clockGuard.js';
import type { LeafDraft } from '../src/record/draft.js';
import { RECORDED_AT_ROOM, recordedAtOffset } from '../src/record/ownLeaf.js';
import { createSequencer, type Sequencer } from '../src/record/sequencer.js';
import { createSealer, type Sealer, type SealerDeps } from '../src/seal/sealer.js';
import { inTenant } from '../src/store/database.js';
import { auditCells } from '../src/store/eventRows.js';
import { insertTenant } from '../src/store/tenant.js';

/** Longer than any test. */
export const NEVER_MS = 3_600_000;

/** A span of trace `t`, as the ingest path would prepare it, less what the sealer does not look at. */
export interface Span {
  readonly t: string;
  readonly id: string;
  readonly parent?: string;
  readonly kind?: 'STEP' | 'CONFLICT';
  readonly [member: string]: unknown;
}

/** What a log record says of a run, in `audit`, as the ingest path would prepare it; of trace `t`. */
export interface Told {
  readonly id: string;
  readonly t?: string;
  readonly [member: string]: unknown;
}

type Members = Readonly<Record<string, JsonValue>>;

/** A leaf, read. */
export interface Stored {
  readonly index: number;
  readonly kind: string;
  readonly hash: string;
  readonly members: Members;
}

/** Kinds that the sealer appends. */
export const SEALED = ['OPENED', 'MEMBER', 'RUN'] as const;

/** Id (hex) of what a test calls by a name. */
export const idOf = (name: string, bytes: number): string =>
  createHash('sha256')
    .update(name)
    .digest('hex')
    .slice(0, 2 * bytes);

const originOf = (tenantId: string, log: string): string => `test/${tenantId}/${log}`;

/** A database with a sequencer, on which sealers work for one tenant at a time. */
export interface SealerHouse {
  readonly database: TestDatabase;
  readonly writer: Sequencer;
  /** The tenant that everything else is about; a test may change it. */
  tenantId: string;
  newTenant(): Promise<string>;
  /** Seals at once unless told otherwise. */
  sealer(over?: Partial<SealerDeps>): Sealer;
  send(...spans: readonly Span[]): Promise<void>;
  tell(...events: readonly Told[]): Promise<void>;
  /** Leaves of these kinds: of `llm-runs`, then of `audit`. */
  stored(...kinds: readonly string[]): Promise<Stored[]>;
  openRuns(): Promise<{ run_id: string; revision: number; grace_ms: number; wait: number }[]>;
  /** Runs a statement past triggers. */
  pastTriggers(text: string, values?: unknown[]): Promise<void>;
  /** Makes every open run due now: time passes. */
  letTimePass(): Promise<void>;
  /** Turns until nothing waits, and until the sealer has seen its own leaves. */
  settle(by?: Sealer, id?: string): Promise<void>;
  /** Holds every RUN leaf against what the MEMBER and STEP leaves say; `settled`: every step is in a sealed run. Resolves to the RUN leaves. */
  expectSoundRuns(settled?: boolean): Promise<Stored[]>;
  close(): Promise<void>;
}

/** Opens one, with a first tenant. */
export async function openSealerHouse(): Promise<SealerHouse> {
  const database = await testDatabase();
  const writer = createSequencer({
    db: database.db,
    role: 'writer',
    recorderKey: randomBytes(32),
    originOf,
    clock: createClockGuard(() => performance.now()),
    onCommit: () => undefined,
  });
  const house: SealerHouse = {
    database,
    writer,
    tenantId: '',
    async newTenant() {
      const id = randomUUID();
      await inTenant(database.db, 'recorder', id, (tx) =>
        insertTenant(tx, { tenantId: id, name: 'test', synthetic: true, platform: false }, EMPTY_ROOT),
      );
      return id;
    },
    sealer: (over = {}) =>
      createSealer({
        db: database.db,
        append: (id, drafts) => writer.append(id, drafts),
        originOf,
        isSynthetic: () => Promise.resolve(false),
        graceMs: 0,
        idleMs: 0,
        ...over,
      }),
    async send(...spans) {
      await writer.append(
        house.tenantId,
        spans.map((span) => draft(house.tenantId, span)),
      );
    },
    async tell(...events) {
      await writer.append(
        house.tenantId,
        events.map((event) => eventDraft(house.tenantId, event)),
      );
    },
    async stored(...kinds) {
      return [...(await leavesOf('llm-runs')), ...(await leavesOf('audit'))]
        .filter((leaf) => kinds.includes(leaf.kind))
        .map(storedOf);
    },
    async openRuns() {
      return database.admin(
        `select run_id, revision, grace_ms, round(1000 * extract(epoch from due_at - last_seen_at))::int as wait from sworn.open_run where tenant_id = $1`,
        [house.tenantId],
      );
    },
    async pastTriggers(text, values = [house.tenantId]) {
      await database.admin(`set session_replication_role = replica`);
      await database.admin(text, values);
      await database.admin(`set session_replication_role = origin`);
    },
    async letTimePass() {
      await house.pastTriggers(`update sworn.open_run set due_at = clock_timestamp() where tenant_id = $1`);
    },
    async settle(by = house.sealer(), id = house.tenantId) {
      for (let quiet = 0, turns = 0; quiet < 3; turns++) {
        quiet = (await by.turn(id)) ? 0 : quiet + 1;
        if (turns > 200) throw new Error('the sealer never comes to rest');
      }
    },
    async expectSoundRuns(settled = false) {
      const leaves = await leavesOf('llm-runs');
      const problems: string[] = [];
      auditRuns(leaves, (problem) => problems.push(problem), settled);
      if (problems.length > 0) throw new Error(problems.join('\n'));
      return leaves.filter((leaf) => leaf.kind === 'RUN').map(storedOf);
    },
    close: () => database.drop(),
  };
  async function leavesOf(log: 'llm-runs' | 'audit'): Promise<LeafRow[]> {
    return database.admin<LeafRow>(
      `select leaf_index::int, kind, leaf, leaf_hash, event_key, trace_id, run_id,
              to_char(occurred_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as occurred_at, body
         from sworn.leaf where tenant_id = $1 and log = $2 order by leaf_index`,
      [house.tenantId, log],
    );
  }
  house.tenantId = await house.newTenant();
  return house;
}

function storedOf(row: LeafRow): Stored {
  return {
    index: row.leaf_index,
    kind: row.kind,
    hash: hex(row.leaf_hash),
    members: JSON.parse(row.leaf.toString('utf8')) as Members,
  };
}

function draft(tenantId: string, { t, id, parent, kind = 'STEP', ...rest }: Span): LeafDraft {
  const traceId = Buffer.from(idOf(t, 16), 'hex');
  const eventKey =
    kind === 'STEP'
      ? Buffer.concat([traceId, Buffer.from(idOf(id, 8), 'hex')])
      : createHash('sha256').update(`${t} ${id} conflict`).digest();
  const leaf = encodeLeaf({
    t: 'sworn.leaf/1',
    log: originOf(tenantId, 'llm-runs'),
    kind,
    by: 'producer',
    key: '00000000-0000-4000-8000-000000000000',
    event_key: hex(eventKey),
    occurred_at: '2026-11-25T00:00:00.000000Z',
    recorded_at: RECORDED_AT_ROOM,
    map: 1,
    r: randomBytes(16).toString('hex'),
    trace_id: hex(traceId),
    span_id: idOf(id, 8),
    ...(parent === undefined ? {} : { parent_span_id: idOf(parent, 8) }),
    step_kind: 'CHAIN',
    status: 'UNSET',
    started_ns: '1700000000000000000',
    ended_ns: '1700000001000000000',
    ...(rest as Record<string, JsonValue>),
  });
  return {
    topic: 'llm-runs',
    kind,
    eventKey,
    digest: createHash('sha256').update(leaf).digest(),
    traceId,
    runId: null,
    occurredAt: '2026-11-25T00:00:00.000000Z',
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [],
    body: null,
    dk: null,
    projection: null,
    conflict: null,
  };
}

function eventDraft(tenantId: string, { id, t, ...rest }: Told): LeafDraft {
  const eventKey = createHash('sha256').update(`event ${id}`).digest();
  const occurredAt = '2026-11-25T00:00:00.000000Z';
  const members = {
    event_type: 'EVENT',
    ...(t === undefined ? {} : { trace_id: idOf(t, 16) }),
    ...(rest as Record<string, JsonValue>),
  };
  const leaf = encodeLeaf({
    t: 'sworn.leaf/1',
    log: originOf(tenantId, 'audit'),
    kind: 'AUDIT',
    by: 'producer',
    key: '00000000-0000-4000-8000-000000000000',
    event_key: hex(eventKey),
    occurred_at: occurredAt,
    recorded_at: RECORDED_AT_ROOM,
    map: 1,
    r: randomBytes(16).toString('hex'),
    ...members,
  });
  return {
    topic: 'audit',
    kind: 'AUDIT',
    eventKey,
    digest: createHash('sha256').update(leaf).digest(),
    traceId: null,
    runId: null,
    occurredAt,
    leaf,
    recordedAtOffset: recordedAtOffset(leaf),
    places: [],
    body: null,
    dk: null,
    projection: { table: 'audit_ledger', cells: auditCells({ kind: 'AUDIT', occurredAt, members }) },
    conflict: null,
  };
}
