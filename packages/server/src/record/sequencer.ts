import {
  decodeFrontier,
  encodeFrontier,
  equalBytes,
  extendFrontier,
  type Frontier,
  frontierRoot,
  type Topic,
} from '@sworn/evidence';
import {
  advanceHeads,
  type BatchRow,
  findByEventKey,
  insertLeaves,
  insertTiles,
  type LeafRow,
  type LogHead,
  lockHeads,
  readClock,
  type TileRow,
} from '../store/append.js';
import { type Database, inTenant, isSilence, isTransient, type Tx } from '../store/database.js';
import { authenticate } from './authenticator.js';
import { partsOf } from './callParts.js';
import type { ClockGuard } from './clockGuard.js';
import type { Appended, LeafDraft } from './draft.js';
import { frontierOf, growEdge, loadEdge, type TileEdge } from './edge.js';
import { NotSequenced } from './notSequenced.js';
import { type Conflict, hexOf, number } from './numbering.js';

/** Leaves in one transaction at most: bounds the lock time (about 100 ms of COPY), the memory of a batch, and for how long nothing else has its turn. */
const MAX_BATCH_LEAVES = 4096;
/** Attempts at one batch when the connection goes: each later one reads back by event key what the earlier ones committed. */
const MAX_ATTEMPTS = 5;

/** The database holds another past of a log than this process committed: it was restored or rewritten. Nothing is appended to it any more. */
export class LogWentBack extends NotSequenced {}

/** A log was closed, and its next generation opened, while leaves for it were prepared: they say another origin. */
class LogMoved extends NotSequenced {}

/** Logs whose tip is remembered between batches, about 30 KB each; one that was dropped is read back. */
const LOGS_REMEMBERED = 2_000;

/** Numbers, chains and stores drafts, one tenant's at a time, first come first served (INTEGRITY.md, "Sequencing"). */
export interface Sequencer {
  /**
   * Resolves, in the order of `drafts`, when all of them are durable. RESOURCE drafts must stand in the same call as the drafts that name them.
   * @throws NotSequenced when the database is away, its clock jumped, or the log went back or moved to another generation. Nothing of the call is then acknowledged.
   */
  append(tenantId: string, drafts: readonly LeafDraft[]): Promise<readonly Appended[]>;
  /** Resolves when everything accepted is committed; later calls are refused. */
  close(): Promise<void>;
}

/** What a sequencer needs. `role` decides which logs it may write: the writer never `access` and `control`. */
export interface SequencerDeps {
  readonly db: Database;
  readonly role: 'writer' | 'recorder';
  readonly recorderKey: Uint8Array;
  readonly clock: ClockGuard;
  /** The origin of a log, by its stored name. */
  readonly originOf: (tenantId: string, log: string) => string;
  /** Told after each commit. */
  readonly onCommit: (tenantId: string, logs: readonly string[]) => void;
}

interface Waiting {
  readonly drafts: readonly LeafDraft[];
  readonly resolve: (appended: readonly Appended[]) => void;
  readonly reject: (error: Error) => void;
}

/** What this process remembers of a log between batches; dropped as soon as the database says otherwise. */
interface Remembered {
  readonly frontier: Frontier;
  readonly root: Uint8Array;
  readonly edge: TileEdge;
  /** False: leaves or tiles were changed since they were committed, and the frontier must not be taken from them. */
  readonly isEdgeSound: boolean;
}

/** A sequencer for one role. Two processes may run one each: the lock on `log_head` orders them. */
export function createSequencer(deps: SequencerDeps): Sequencer {
  const queues = new Map<string, Waiting[]>();
  const running = new Map<string, Promise<void>>();
  const memory = new Map<string, Remembered>();
  let closed = false;

  /** Stored in several transactions, a call is acknowledged when the last of them is durable; sent again, its first parts are duplicates. */
  async function appendParts(tenantId: string, drafts: readonly LeafDraft[]): Promise<readonly Appended[]> {
    const parts = partsOf(drafts, MAX_BATCH_LEAVES);
    const stored = await Promise.all(parts.map((part) => enqueue(tenantId, part.drafts)));
    const appended = new Array<Appended>(drafts.length);
    parts.forEach(({ ordinals }, i) => {
      ordinals.forEach((ordinal, at) => (appended[ordinal] ??= stored[i]?.[at] as Appended));
    });
    return appended;
  }

  function enqueue(tenantId: string, drafts: readonly LeafDraft[]): Promise<readonly Appended[]> {
    return new Promise((resolve, reject) => {
      const queue = queues.get(tenantId);
      if (queue === undefined) queues.set(tenantId, [{ drafts, resolve, reject }]);
      else queue.push({ drafts, resolve, reject });
      if (!running.has(tenantId)) running.set(tenantId, drain(tenantId));
    });
  }

  async function drain(tenantId: string): Promise<void> {
    for (let queue = queues.get(tenantId); queue !== undefined && queue.length > 0; queue = queues.get(tenantId)) {
      const batch = takeBatch(queue);
      if (queue.length === 0) queues.delete(tenantId);
      await settle(tenantId, batch);
    }
    running.delete(tenantId);
  }

  /** A batch that cannot be stored whole is tried call by call, so that one bad call never costs the others. */
  async function settle(tenantId: string, batch: readonly Waiting[]): Promise<void> {
    try {
      const appended = await store(
        tenantId,
        batch.flatMap((w) => w.drafts),
      );
      let at = 0;
      for (const w of batch) w.resolve(appended.slice(at, (at += w.drafts.length)));
    } catch (error) {
      const [only] = batch;
      if (batch.length === 1 || error instanceof NotSequenced) {
        for (const w of batch) w.reject(error as Error);
      } else if (only !== undefined) {
        for (const w of batch) await settle(tenantId, [w]);
      }
    }
  }

  /** Stores drafts, then what of them must be kept beside as conflicts. */
  async function store(tenantId: string, drafts: readonly LeafDraft[]): Promise<readonly Appended[]> {
    const { appended, conflicts } = await commitWithRetry(tenantId, drafts);
    if (conflicts.length === 0) return appended;
    const beside = await Promise.all(
      conflicts.map(({ draft, first }) => {
        if (draft.conflict === null) throw new Error(`two different ${draft.kind} leaves under one event key`);
        return draft.conflict(first);
      }),
    );
    // The resources that they name come along; by now each is a duplicate, found by its event key.
    const named = new Set(beside.flatMap((draft) => draft.places.map((place) => place.eventKey)));
    const resources = drafts.filter((draft) => draft.topic === 'system' && named.has(hexOf(draft.eventKey)));
    const kept = await commitWithRetry(tenantId, [...resources, ...beside]);
    const result = [...appended];
    conflicts.forEach(({ ordinal }, i) => {
      const leaf = kept.appended[resources.length + i];
      if (leaf !== undefined) result[ordinal] = { ...leaf, outcome: 'conflict' };
    });
    return result;
  }

  async function commitWithRetry(tenantId: string, drafts: readonly LeafDraft[]): Promise<Committed> {
    for (let attempt = 1; ; attempt++) {
      try {
        const committed = await inTenant(deps.db, deps.role, tenantId, (tx) => commit(tx, tenantId, drafts));
        for (const [log, state] of committed.states) remember(`${tenantId}/${log}`, state);
        if (committed.states.size > 0) deps.onCommit(tenantId, [...committed.states.keys()]);
        return committed;
      } catch (error) {
        if (error instanceof LogWentBack) throw error;
        for (const topic of topicsOf(drafts)) forget(tenantId, topic);
        if (!isTransient(error)) throw error;
        // The outcome of a lost COMMIT is unknown: the next attempt finds by event key whatever it stored.
        // After a silence whoever sent it has waited long enough, and tries again when he thinks fit.
        if (attempt === MAX_ATTEMPTS || isSilence(error))
          throw new NotSequenced('the database is away', { cause: error });
        await new Promise((r) => setTimeout(r, 50 * 2 ** attempt));
      }
    }
  }

  function remember(name: string, state: Remembered): void {
    memory.delete(name);
    memory.set(name, state);
    if (memory.size <= LOGS_REMEMBERED) return;
    const oldest = memory.keys().next();
    if (!oldest.done) memory.delete(oldest.value);
  }

  function forget(tenantId: string, topic: Topic): void {
    for (const key of memory.keys())
      if (key === `${tenantId}/${topic}` || key.startsWith(`${tenantId}/${topic}.`)) memory.delete(key);
  }

  async function commit(tx: Tx, tenantId: string, drafts: readonly LeafDraft[]): Promise<Committed> {
    const heads = new Map((await lockHeads(tx, tenantId, topicsOf(drafts))).map((head) => [head.topic, head]));
    const headOf = (topic: Topic): LogHead => {
      const head = heads.get(topic);
      // Also in the moment between two generations, when the lock was waited for and the log that it was on is closed.
      if (head === undefined) throw new LogMoved(`tenant ${tenantId} has no open log ${topic}`);
      return head;
    };
    for (const draft of drafts) {
      const { log, topic } = headOf(draft.topic);
      // A first generation has no other origin that a leaf could have been prepared for.
      if (log !== topic && !names(draft.leaf, deps.originOf(tenantId, log)))
        throw new LogMoved(`log ${topic} of tenant ${tenantId} goes on as ${log}: to be prepared for that`);
    }
    const now = await readClock(tx);
    deps.clock.check(now);
    const known = await findByEventKey(
      tx,
      tenantId,
      drafts.map((d) => ({ log: headOf(d.topic).log, eventKey: d.eventKey })),
    );
    const plan = number(drafts, new Map(known.map((k) => [k.ordinal, k])), headOf, now);
    const states = await insert(tx, tenantId, [...heads.values()], plan.rows);
    return { appended: plan.appended, conflicts: plan.conflicts, states };
  }

  async function insert(
    tx: Tx,
    tenantId: string,
    heads: readonly LogHead[],
    rows: readonly LeafRow[],
  ): Promise<Map<string, Remembered>> {
    const states = new Map<string, Remembered>();
    const tiles: TileRow[] = [];
    const moves: { batch: BatchRow; frontier: Uint8Array }[] = [];
    for (const head of heads) {
      const mine = rows.filter((row) => row.log === head.log);
      const [first] = mine;
      if (first === undefined) continue;
      const before = await remembered(tx, tenantId, head);
      const hashes = mine.map((row) => row.leafHash);
      const grown = growEdge(before.edge, head.log, first.index, hashes);
      const frontier = before.isEdgeSound
        ? frontierOf(grown.edge, before.frontier.size + hashes.length)
        : extendFrontier(before.frontier, hashes);
      const root = frontierRoot(frontier);
      tiles.push(...grown.tiles);
      states.set(head.log, { ...before, frontier, root, edge: grown.edge });
      const batch = {
        first: first.index,
        count: mine.length,
        rootBefore: before.root,
        rootAfter: root,
        at: first.recordedAt,
      };
      const mac = authenticate(deps.recorderKey, { origin: deps.originOf(tenantId, head.log), ...batch });
      moves.push({ batch: { log: head.log, ...batch, mac }, frontier: encodeFrontier(frontier) });
    }
    if (moves.length === 0) return states;
    await insertLeaves(tx, tenantId, rows);
    await insertTiles(tx, tenantId, tiles);
    await advanceHeads(tx, tenantId, moves);
    return states;
  }

  /** The state this process holds of a log, or the database's where they differ: another process wrote, or this one just started. */
  async function remembered(tx: Tx, tenantId: string, head: LogHead): Promise<Remembered> {
    const held = memory.get(`${tenantId}/${head.log}`);
    if (held !== undefined && held.frontier.size === head.nextIndex && equalBytes(held.root, head.root)) return held;
    // Another process wrote what lies beyond; what lies before was committed by this one, and cannot honestly be gone.
    if (held !== undefined && held.frontier.size >= head.nextIndex)
      throw new LogWentBack(
        `log ${head.log} of tenant ${tenantId} is not the one that was written: was the database restored?`,
      );
    const frontier = decodeFrontier(head.nextIndex, head.frontier);
    if (!equalBytes(frontierRoot(frontier), head.root))
      throw new LogWentBack(`the head of log ${head.log} of tenant ${tenantId} contradicts itself`);
    const edge = await loadEdge(tx, tenantId, head.log, head.nextIndex);
    const isEdgeSound = equalBytes(encodeFrontier(frontierOf(edge, head.nextIndex)), head.frontier);
    return { frontier, root: head.root, edge, isEdgeSound };
  }

  return {
    append(tenantId, drafts) {
      if (drafts.length === 0) return Promise.resolve([]);
      if (closed) return Promise.reject(new NotSequenced('shutting down'));
      return appendParts(tenantId, drafts);
    },
    async close() {
      closed = true;
      await Promise.all(running.values());
    },
  };
}

interface Committed {
  readonly appended: readonly Appended[];
  readonly conflicts: readonly Conflict[];
  readonly states: ReadonlyMap<string, Remembered>;
}

/** Takes whole parts of calls until the batch is full; a part that brings along more than a batch goes alone. */
function takeBatch(queue: Waiting[]): Waiting[] {
  let leaves = 0;
  let calls = 0;
  for (const w of queue) {
    if (calls > 0 && leaves + w.drafts.length > MAX_BATCH_LEAVES) break;
    leaves += w.drafts.length;
    calls++;
  }
  return queue.splice(0, calls);
}

/** Whether the leaf is of this log. A quote inside a JSON string is escaped, so nothing that was sent can look like the member. */
function names(leaf: Uint8Array, origin: string): boolean {
  return Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength).includes(`"log":"${origin}"`);
}

function topicsOf(drafts: readonly LeafDraft[]): Topic[] {
  return [...new Set(drafts.map((d) => d.topic))];
}
