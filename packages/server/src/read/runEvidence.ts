import { hex, type Members, unhex } from '@sworn/evidence';
import { findNotable, findRunsOfConversations, type TiedRun } from '../store/attributionEvidence.js';
import { readEntriesAt } from '../store/auditEntries.js';
import type { Tx } from '../store/database.js';
import { readKeyedLeaves, type StoredRun } from '../store/runs.js';
import { readStepsAt, type StoredStep } from '../store/steps.js';
import { type Checked, checkLeaf } from './check.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';

/** A run whose newest leaf passed its check. */
export type SoundRun = Extract<Checked<StoredRun>, { kind: 'sound' }>;

/** What was recorded of a run and around it. */
export interface RunEvidence {
  readonly run: SoundRun;
  /** The step where it turned; null: the run names none, or another trace than its own has it. */
  readonly step: Checked<StoredStep> | null;
  /** Records of the asked kinds that are tied to it, and passed their check. */
  readonly system: readonly SoundEntry[];
  /** Runs of its conversation, newest first, itself among them. */
  readonly conversation: readonly string[];
}

/** What to look for, and at which sizes of the logs. */
export interface EvidenceAsked {
  /** Of `llm-runs`: those of `runs`. */
  readonly pin: Pin;
  /** Of `system`. */
  readonly system: readonly Pin[];
  /** Kinds of records. */
  readonly kinds: readonly string[];
}

/** How long after a run's last step a record may tell why: who kills a process says so when it is dead. Milliseconds. */
const AFTERMATH_MS = 60_000;

/** The evidence of runs of one log, in their order. A few statements, however many runs. In a transaction with `inIndexOrder`. */
export async function gatherEvidence(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  asked: EvidenceAsked,
  runs: readonly SoundRun[],
): Promise<readonly RunEvidence[]> {
  const steps = await turningSteps(deps, tx, tenantId, asked.pin, runs);
  const system = await notableRecords(deps, tx, tenantId, asked, runs);
  const { log, size: below } = asked.pin;
  const conversations = runs.map(({ members }) => members.text('conversation_id'));
  const ofConversation = await findRunsOfConversations(tx, tenantId, { log, below }, conversations);
  return runs.map((run, i) => ({
    run,
    step: steps.get(turnOf(run.members) ?? '') ?? null,
    system: system.get(i) ?? [],
    conversation: [...new Set(ofConversation.filter(({ of }) => of === i).map(({ runId }) => runId))],
  }));
}

/** Event key, in hex, of the step where a run turned; null: it names none. */
function turnOf(m: Members): string | null {
  const [traceId, spanId] = [m.text('trace_id'), m.object('inflection').text('span_id')];
  return traceId === null || spanId === null ? null : traceId + spanId;
}

async function turningSteps(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { log, size }: Pin,
  runs: readonly SoundRun[],
): Promise<ReadonlyMap<string, Checked<StoredStep>>> {
  const keys = [...new Set(runs.flatMap(({ members }) => turnOf(members) ?? []))].map(unhex);
  const keyed = await readKeyedLeaves(tx, tenantId, log, keys);
  const indexes = keyed.map(({ index }) => index).filter((index) => index < size);
  const open = await deps.openFindings(tx, tenantId);
  const origin = deps.originOf(tenantId, log);
  const keyOf = new Map(keyed.map(({ index, eventKey }) => [index, hex(eventKey)]));
  const stored = await readStepsAt(tx, tenantId, log, indexes);
  return new Map(stored.map((one) => [keyOf.get(one.index) ?? '', heldAgainst(checkLeaf(one, origin), open)]));
}

async function notableRecords(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { system, kinds }: EvidenceAsked,
  runs: readonly SoundRun[],
): Promise<ReadonlyMap<number, SoundEntry[]>> {
  const records = new Map<number, SoundEntry[]>();
  const open = await deps.openFindings(tx, tenantId);
  for (const { log, size } of system) {
    const found = await findNotable(tx, tenantId, { log, below: size, kinds }, runs.map(tiedRun));
    const indexes = [...new Set(found.map(({ index }) => index))];
    const origin = deps.originOf(tenantId, log);
    const stored = await readEntriesAt(tx, tenantId, { topic: 'system', log }, indexes);
    const checked = new Map(stored.map((one) => [one.index, heldAgainst(checkEntry(one, 'system', origin), open)]));
    for (const { of, index } of found) {
      const entry = checked.get(index);
      // What is not as it was written is evidence of nothing; the lists say so of it.
      if (entry?.kind === 'sound') records.set(of, [...(records.get(of) ?? []), entry]);
    }
  }
  return records;
}

function tiedRun({ stored, members: m }: SoundRun): TiedRun {
  const from = m.text('started_at') ?? stored.occurredAt;
  return {
    traceId: m.text('trace_id'),
    runId: m.text('run_id') ?? '',
    instance: m.text('instance'),
    service: m.text('service'),
    from,
    before: aftermathOf(m) ?? from,
  };
}

/** Until when a record may tell why a run ended; null: it says no end. */
function aftermathOf(m: Members): string | null {
  const end = m.text('completed_at');
  return end === null ? null : `${new Date(Date.parse(end) + AFTERMATH_MS).toISOString().slice(0, -1)}000Z`;
}
