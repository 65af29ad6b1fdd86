import { type Bond, canonicalize, concat, type Members, utf8 } from '@sworn/evidence';
import { checkBytes } from '../read/check.js';
import { checkedRunsAt } from '../read/runsAt.js';
import type { ReadDeps } from '../read/reading.js';
import { compromisedRecord } from '../read/settled.js';
import { type LogSize, readLogSizes } from '../store/checkpointRead.js';
import { inTenant } from '../store/database.js';
import { type ScannedLeaf, scanLeaves } from '../store/leafScan.js';
import { NO_FILTER } from '../store/runFilters.js';
import { findRunPlaces } from '../store/runPlaces.js';
import type { Refusal } from '../access/refusal.js';
import { ExportRefused } from './refused.js';

/** A run that a leaf names where it says what runs belong together by. Whether it does is said by its own newest leaf. */
export interface Candidates {
  /** Named by an OPENED or RUN leaf, in the order of those. */
  readonly runIds: readonly string[];
  /** Tied to an incident by a leaf of `audit`, which the sealer may not have looked at yet. */
  readonly tied: readonly TiedRun[];
}

/** A run, and the newest leaf of `audit` that ties it. */
export interface TiedRun {
  readonly runId: string;
  readonly log: string;
  readonly index: number;
  /** The leaf says it by its name: there may be none. Else it was found by its trace. */
  readonly isNamed: boolean;
}

/** Leaves looked through with one statement: 2 MB of leaves of a kilobyte, 32 MB of the largest there are. */
const LEAVES_AT_ONCE = 2_000;
/** Runs that are looked at one by one: as many as a bundle may have, and four times as many that went elsewhere since. */
const MAX_CANDIDATES = 2_500;
/** Runs of one trace. */
const MAX_RUNS_OF_TRACE = 100;

/** How far the logs were looked through. */
export type TellLooked = (leaves: number, of: number) => void;

/**
 * Which runs may belong, by the bytes of every leaf there is: no column or projection decides, so one that somebody edited hides no run.
 * @throws Refusal `evidence_compromised` where a leaf is gone or is not what was hashed; ExportRefused `too_large`
 */
export async function findCandidates(
  deps: ReadDeps,
  tenantId: string,
  bond: Bond,
  tell: TellLooked,
): Promise<Candidates> {
  const sizes = await inTenant(deps.db, 'reader', tenantId, (tx) => readLogSizes(tx, tenantId), { readOnly: true });
  const logsOf = (topic: LogSize['topic']) =>
    sizes.filter((one) => one.topic === topic).toSorted((a, b) => a.generation - b.generation);
  const audits = bond.by === 'INCIDENT' ? logsOf('audit') : [];
  const all = [...logsOf('llm-runs'), ...audits].reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const onLeaves = (count: number) => tell((done += count), all);
  const runIds = new Set<string>();
  for (const log of logsOf('llm-runs'))
    for await (const { members } of lookThrough(deps, tenantId, { ...log, ...sealsOf(bond), onLeaves })) {
      const runId = members.text('run_id');
      if (runId !== null) runIds.add(runId);
      if (runIds.size > MAX_CANDIDATES) throw tooMany(bond);
    }
  const tied = new Map<string, TiedRun>();
  for (const log of audits)
    for await (const { leaf, members } of lookThrough(deps, tenantId, { ...log, ...tiesOf(bond), onLeaves })) {
      for (const one of await runsOf(deps, tenantId, leaf, members)) tied.set(one.runId, one);
      if (tied.size > MAX_CANDIDATES) throw tooMany(bond);
    }
  return { runIds: [...runIds], tied: [...tied.values()] };
}

function tooMany({ by, value }: Bond): ExportRefused {
  const detail = `more than ${MAX_CANDIDATES} runs were ever named with ${by.toLowerCase()} ${value}: export them one by one, with --run`;
  return new ExportRefused('too_large', detail);
}

/** What is looked for: kinds, and texts of which one stands in such a leaf. Either may stand there for another reason too. */
interface Looked {
  readonly kinds: readonly string[];
  readonly texts: readonly Uint8Array[];
}

/** A RUN leaf that names all the incidents that it has room for may have another. */
function sealsOf({ by, value }: Bond): Looked {
  const kinds = ['OPENED', 'RUN'];
  switch (by) {
    case 'CONVERSATION':
      return { kinds, texts: [member('conversation_id', value)] };
    case 'SUBJECT':
      return { kinds, texts: [member('human_actor_id', value)] };
    case 'INCIDENT':
      return { kinds, texts: [canonicalize(value), utf8('"names_left_out":')] };
    default:
      return by satisfies never;
  }
}

function tiesOf({ value }: Bond): Looked {
  return { kinds: ['AUDIT', 'GOVERNANCE'], texts: [member('incident_id', value)] };
}

function member(name: string, value: string): Uint8Array {
  return concat(utf8(`"${name}":`), canonicalize(value));
}

interface LookedLog extends Looked {
  readonly log: string;
  readonly size: number;
  readonly onLeaves: (count: number) => void;
}

interface LookedLeaf {
  readonly leaf: ScannedLeaf;
  readonly members: Members;
}

/** What retention took from the front of a log is not there to be looked at: only from its first leaf on every one has to be. */
async function* lookThrough(
  deps: ReadDeps,
  tenantId: string,
  { log, size, kinds, texts, onLeaves }: LookedLog,
): AsyncGenerator<LookedLeaf> {
  const origin = deps.originOf(tenantId, log);
  const ofKinds = kinds.map((kind) => member('kind', kind));
  let hasBegun = false;
  for (let from = 0; from < size; from += LEAVES_AT_ONCE) {
    const below = Math.min(from + LEAVES_AT_ONCE, size);
    const asked = { log, from, below, kinds: ofKinds, texts };
    const part = await inTenant(deps.db, 'reader', tenantId, (tx) => scanLeaves(tx, tenantId, asked), {
      readOnly: true,
      snapshot: true,
    });
    const begin = hasBegun ? from : (part.first ?? below);
    if (part.count !== below - begin) throw gone(log, begin, below - begin - part.count);
    hasBegun ||= part.first !== null;
    for (const leaf of part.found) {
      const checked = checkBytes(leaf, origin);
      if (checked.kind === 'compromised') throw compromisedRecord(checked.finding, leaf.leaf);
      if (kinds.includes(checked.members.text('kind') ?? '')) yield { leaf, members: checked.members };
    }
    onLeaves(below - from);
  }
}

function gone(log: string, from: number, count: number): Refusal {
  const detail = `${count} leaves from ${from} on are gone`;
  return compromisedRecord(
    { check: 'V5', code: 'MISSING_UNAUTHORISED', log, leaf_index: from, detail },
    new Uint8Array(),
  );
}

/** The runs that a leaf of `audit` is about: the one that it names, else those of its trace. */
async function runsOf(
  deps: ReadDeps,
  tenantId: string,
  { log, index }: ScannedLeaf,
  m: Members,
): Promise<readonly TiedRun[]> {
  if (m.flag('foreign') === true) return [];
  const named = m.text('run_id') ?? m.text('hinted_run');
  if (named !== null) return [{ runId: named, log, index, isNamed: true }];
  const traceId = m.text('trace_id');
  if (traceId === null) return [];
  return (await runsOfTrace(deps, tenantId, traceId)).map((runId) => ({ runId, log, index, isNamed: false }));
}

async function runsOfTrace(deps: ReadDeps, tenantId: string, traceId: string): Promise<readonly string[]> {
  return inTenant(
    deps.db,
    'reader',
    tenantId,
    async (tx) => {
      const runIds: string[] = [];
      const filters = { ...NO_FILTER, traceId: Buffer.from(traceId, 'hex') };
      for (const { topic, log, size } of await readLogSizes(tx, tenantId)) {
        if (topic !== 'llm-runs') continue;
        const page = { log, pin: size, limit: MAX_RUNS_OF_TRACE, fromPlace: 0, belowPlace: size, after: null } as const;
        const { places } = await findRunPlaces(tx, tenantId, filters, { ...page, order: 'place_asc' });
        const indexes = places.map((place) => place.index);
        for (const run of await checkedRunsAt(deps, tx, tenantId, { log, size }, indexes)) {
          if (run.kind === 'compromised') throw compromisedRecord(run.finding, run.stored.leaf ?? new Uint8Array());
          runIds.push(run.members.text('run_id') ?? '');
        }
      }
      return runIds;
    },
    { readOnly: true, snapshot: true, inIndexOrder: true },
  );
}
