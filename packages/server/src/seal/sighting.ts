import { hex } from '@sworn/evidence';
import type { FollowedLeaf } from '../store/sealing.js';
import { hintedRun } from './membership.js';
import { readStep, type SealedStep } from './step.js';

/** What the leaves of a turn say of one trace. */
export interface Sighting {
  /** Lower-case hex. */
  readonly traceId: string;
  /** Its first step among them; null: only copies that contradict steps of before. */
  first: SealedStep | null;
  /** Runs that steps of it name, each with the first step that does, in the order of the log. */
  readonly named: Map<string, SealedStep>;
  steps: number;
  lastIndex: number;
  lastSeenAt: string;
  rootSeenAt: string | null;
  /** Nothing but leaves of a foreign key: they are counted, and no run waits for them. */
  isForeign: boolean;
}

/** By trace id, in the order of their first leaves. */
export function sightings(leaves: readonly FollowedLeaf[]): Map<string, Sighting> {
  const seen = new Map<string, Sighting>();
  for (const leaf of leaves) {
    if (leaf.traceId === null || (leaf.kind !== 'STEP' && leaf.kind !== 'CONFLICT')) continue;
    const traceId = hex(leaf.traceId);
    const sighting = seen.get(traceId) ?? newSighting(traceId, leaf);
    seen.set(traceId, sighting);
    sighting.lastIndex = leaf.index;
    sighting.lastSeenAt = leaf.recordedAt;
    const bytes = Buffer.from(leaf.leaf.buffer, leaf.leaf.byteOffset, leaf.leaf.byteLength);
    const isForeign = bytes.includes(FOREIGN);
    sighting.isForeign &&= isForeign;
    if (leaf.kind === 'STEP') addStep(sighting, leaf, { bytes, isForeign });
  }
  return seen;
}

function newSighting(traceId: string, { index, recordedAt }: FollowedLeaf): Sighting {
  return {
    traceId,
    first: null,
    named: new Map(),
    steps: 0,
    lastIndex: index,
    lastSeenAt: recordedAt,
    rootSeenAt: null,
    isForeign: true,
  };
}

/** Most steps name no run and are not the first of their trace: they are not parsed, a member that is there is found by its bytes. */
function addStep(
  sighting: Sighting,
  leaf: FollowedLeaf,
  { bytes, isForeign }: { readonly bytes: Buffer; readonly isForeign: boolean },
): void {
  sighting.steps++;
  const mayName = bytes.includes(RUN_HINT);
  if (sighting.first !== null && !mayName) {
    if (sighting.rootSeenAt === null && mayBeRoot(bytes) && !isForeign) sighting.rootSeenAt = leaf.recordedAt;
    return;
  }
  const step = readStep(leaf);
  sighting.first ??= step;
  if (step.isRoot && !step.foreign) sighting.rootSeenAt ??= leaf.recordedAt;
  const run = hintedRun(step);
  if (run !== null && !sighting.named.has(run)) sighting.named.set(run, step);
}

function mayBeRoot(bytes: Buffer): boolean {
  return !bytes.includes(PARENT) || bytes.includes(REMOTE_PARENT);
}

// In canonical JSON a quote inside a string is escaped, so these bytes are found nowhere but at a member of that name.
const RUN_HINT = Buffer.from('"run_hint":');
const PARENT = Buffer.from('"parent_span_id":');
const REMOTE_PARENT = Buffer.from('"remote_parent":true');
const FOREIGN = Buffer.from('"foreign":true');

/** A MEMBER leaf that was appended since the sealer last looked. */
export interface SeenMember {
  readonly index: number;
  readonly recordedAt: string;
  readonly runId: string;
  readonly traceId: string;
  /** The trace's own run took it: what every trace begins with. */
  readonly isOwn: boolean;
}

/** The MEMBER leaves of a turn. Whatever was opened is looked at once more by them, also when who opened it died before it could note it. */
export function seenMembers(leaves: readonly FollowedLeaf[]): SeenMember[] {
  return leaves
    .filter(({ kind }) => kind === 'MEMBER')
    .map((leaf) => {
      const {
        run_id: runId,
        trace_id: traceId,
        whole,
      } = JSON.parse(Buffer.from(leaf.leaf).toString('utf8')) as {
        readonly run_id: string;
        readonly trace_id: string;
        readonly whole: boolean;
      };
      return { index: leaf.index, recordedAt: leaf.recordedAt, runId, traceId, isOwn: whole && runId === traceId };
    });
}
