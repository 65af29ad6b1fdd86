import { fromUtf8 } from '../bytes.js';
import { Malformed } from '../malformed.js';
import { copiedKey } from '../run/forest.js';
import { type Members, membersOf } from '../run/members.js';
import type { StepKind } from '../run/stepKind.js';
import { type KindStep, stepKinds } from '../run/stepKinds.js';
import { treePlaces } from '../run/treeOrder.js';
import { topicOfLog } from '../topic.js';
import { leafHash } from '../tree.js';

/** The leaves of one log that are in a bundle. */
export interface RecordFile {
  readonly log: string;
  /** Of its lines, in order. */
  readonly indexes: readonly number[];
  /** All of them, in order: the exact bytes. */
  leaves(): AsyncIterable<Uint8Array>;
  /** That of one line. */
  leafAt(line: number): Promise<Uint8Array>;
}

/** A leaf, read. */
export interface ReadRecord {
  readonly log: string;
  readonly index: number;
  readonly leafHash: Uint8Array;
  readonly members: Members;
}

/** What is held of a step: its place, and what places others. Its leaf is read again when it is shown. */
export interface PlacedStep extends KindStep {
  readonly index: number;
  /** In the file of its log. */
  readonly line: number;
  readonly endedNs: bigint;
  /** Records name it: its event key is its trace and span id. */
  readonly isNamed: boolean;
}

/** The records of one run, as its bundle has them. */
export interface RunRecords {
  readonly file: RecordFile;
  /** The newest RUN leaf. */
  readonly newest: ReadRecord;
  /** OPENED, then RUN leaf by RUN leaf. */
  readonly revisions: readonly ReadRecord[];
  /** In leaf order; `order[i]` is the place among them of the i-th in tree order, which is at `depth[i]`. */
  readonly steps: readonly PlacedStep[];
  readonly order: Uint32Array;
  readonly depth: Uint32Array;
  readonly kinds: readonly StepKind[];
  /** Hashes of their leaves, 32 bytes each, in leaf order. */
  readonly hashes: Uint8Array;
  /** Keys of spans that were sent again with other content. */
  readonly conflicts: ReadonlySet<string>;
  /** How many CONFLICT leaves there are. */
  readonly copies: number;
  /** Leaf hashes (hex) of the RESOURCE records that the steps name: the environments and scopes that they came from. */
  readonly sources: ReadonlySet<string>;
  /** Leaves of `audit`, in the order of their logs. */
  readonly events: readonly ReadRecord[];
  /** Leaves of `system` that are no snapshot of an environment, in the order of their logs. */
  readonly around: readonly ReadRecord[];
}

/** Events and records around a run that are held at once; a run has a few. */
const MAX_HELD = 100_000;

/**
 * Reads the leaves of a run's bundle, which were checked before: that they are canonical, and of these logs.
 * @throws Malformed `run` when they are not those of one sealed run
 */
export async function readRunRecords(runId: string, files: readonly RecordFile[]): Promise<RunRecords> {
  const file = files.find(({ log }) => topicOfLog(log) === 'llm-runs');
  if (file === undefined) throw new Malformed('run', 'there are no records of llm-runs');
  const revisions: ReadRecord[] = [];
  const steps: PlacedStep[] = [];
  const conflicts = new Set<string>();
  const sources = new Set<string>();
  let copies = 0;
  const hashes = new Uint8Array(32 * file.indexes.length);
  const share = sharedTexts();
  for await (const { line, ...record } of readAll(file)) {
    const { members: m, index } = record;
    const kind = m.text('kind');
    if (kind === 'STEP') {
      for (const name of ['resource', 'scope']) {
        const source = m.text(name);
        if (source !== null) sources.add(source);
      }
      hashes.set(record.leafHash, 32 * steps.length);
      steps.push({
        index,
        line,
        traceId: share(m.text('trace_id')) ?? '',
        spanId: m.text('span_id') ?? '',
        parentSpanId: m.text('parent_span_id'),
        foreign: m.flag('foreign') ?? false,
        isNamed: m.text('event_key') === `${m.text('trace_id')}${m.text('span_id')}`,
        kind: (share(m.text('step_kind')) ?? 'OTHER') as StepKind,
        agentId: share(m.text('agent_id')),
        parentAgentId: share(m.text('parent_agent_id')),
        startedNs: BigInt(m.text('started_ns') ?? '0'),
        endedNs: BigInt(m.text('ended_ns') ?? '0'),
      });
    } else if (kind === 'CONFLICT') {
      copies++;
      const [traceId, spanId] = [m.text('trace_id') ?? '', m.text('span_id') ?? ''];
      conflicts.add(copiedKey({ traceId, spanId, foreign: m.flag('foreign') ?? false }));
    } else if (!OF_RUNS.has(kind ?? '') || m.text('run_id') !== runId)
      throw new Malformed('run', `leaf ${index} is none of its own`);
    else if (kind !== 'MEMBER') revisions.push(record);
  }
  const newest = revisions.at(-1);
  if (newest?.members.text('kind') !== 'RUN') throw new Malformed('run', 'no RUN leaf says what the run is');
  return {
    file,
    newest,
    revisions,
    steps,
    ...treePlaces(steps),
    kinds: stepKinds(steps),
    hashes: hashes.subarray(0, 32 * steps.length),
    conflicts,
    copies,
    sources,
    events: await held(files, 'audit', () => true),
    around: await held(files, 'system', (m) => !SNAPSHOTS.has(m.text('kind') ?? '')),
  };
}

/** Kinds of leaves that name the run that they are about. */
const OF_RUNS: ReadonlySet<string> = new Set(['OPENED', 'MEMBER', 'RUN']);

/** Kinds of `system` that say where a run ran, not what happened. */
const SNAPSHOTS: ReadonlySet<string> = new Set(['RESOURCE', 'TELEMETRY']);

async function held(
  files: readonly RecordFile[],
  topic: string,
  isWanted: (m: Members) => boolean,
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  for (const file of files) {
    if (topicOfLog(file.log) !== topic) continue;
    for await (const record of readAll(file)) {
      if (!isWanted(record.members)) continue;
      if (records.length === MAX_HELD) throw new Malformed('run', `more than ${MAX_HELD} records of ${topic}`);
      records.push(record);
    }
  }
  return records;
}

async function* readAll(file: RecordFile): AsyncGenerator<ReadRecord & { readonly line: number }> {
  let line = 0;
  for await (const bytes of file.leaves()) {
    yield { log: file.log, index: file.indexes[line] as number, line, ...readLeaf(bytes) };
    line++;
  }
}

/** Hash and members of a leaf. */
export function readLeaf(bytes: Uint8Array): Pick<ReadRecord, 'leafHash' | 'members'> {
  return { leafHash: leafHash(bytes), members: membersOf(JSON.parse(fromUtf8(bytes))) };
}

/** Gives of equal texts always the same one, so that many steps share it. */
function sharedTexts(): (text: string | null) => string | null {
  const known = new Map<string, string>();
  return (text) => {
    if (text === null) return null;
    const same = known.get(text);
    if (same === undefined && known.size < 10_000) known.set(text, text);
    return same ?? text;
  };
}
