import type { Finding } from '@sworn/contract';
import { type Member, ownerOf, runsOf } from '../seal/membership.js';
import type { Tx } from '../store/database.js';
import { readFirstTraces, readProvenMembers } from '../store/members.js';
import { checkMember } from './check.js';
import type { ReadDeps } from './reading.js';
import type { StepFacts } from './stepFacts.js';

/** Traces asked for at once: each has a row for its own run, and few others. */
const TRACES_AT_ONCE = 1_000;

/** Which traces a run has part in, and what every run's MEMBER leaves say of them. */
export interface Membership {
  readonly kind: 'sound';
  /** Lower-case hex, in the order in which they came to the run. */
  readonly traces: readonly string[];
  /** The run has more traces than are read. */
  readonly cut: boolean;
  /** MEMBER leaves of a trace, of all runs, in leaf order. */
  readonly membersOf: (traceId: string) => readonly Member[];
}

/** A MEMBER row that is not what its leaf says: what the run is made of cannot be told. */
export interface DamagedMembership {
  readonly kind: 'compromised';
  readonly finding: Finding;
  readonly leaf: Uint8Array;
}

/** Of which runs, as of `below`; `limit`: MEMBER leaves heeded of one. */
export interface AskedMembership {
  readonly log: string;
  readonly runIds: readonly string[];
  readonly below: number;
  readonly limit: number;
}

/** The membership of each of these runs, by run id. Every row is held against its leaf. */
export async function readMemberships(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  asked: AskedMembership,
): Promise<ReadonlyMap<string, Membership | DamagedMembership>> {
  const tracesOf = new Map<string, Set<string>>(asked.runIds.map((runId) => [runId, new Set()]));
  const leavesOf = new Map<string, number>();
  for (const { runId, traceId } of await readFirstTraces(tx, tenantId, asked.log, asked)) {
    tracesOf.get(runId)?.add(traceId);
    leavesOf.set(runId, (leavesOf.get(runId) ?? 0) + 1);
  }
  const byTrace = new Map<string, Member[]>();
  const damaged = new Map<string, DamagedMembership>();
  const traceIds = [...new Set([...tracesOf.values()].flatMap((traces) => [...traces]))];
  const origin = deps.originOf(tenantId, asked.log);
  for (let at = 0; at < traceIds.length; at += TRACES_AT_ONCE) {
    const part = traceIds.slice(at, at + TRACES_AT_ONCE);
    for (const stored of await readProvenMembers(tx, tenantId, asked.log, { traceIds: part, below: asked.below })) {
      const checked = checkMember(stored, origin);
      const { traceId } = stored;
      if (checked.kind === 'compromised') {
        const { finding } = checked;
        damaged.set(traceId, { kind: 'compromised', finding, leaf: stored.leaf ?? new Uint8Array() });
        continue;
      }
      const { index, runId, whole, roots } = stored;
      const member: Member = { index, runId, traceId, whole, roots };
      const same = byTrace.get(traceId);
      if (same === undefined) byTrace.set(traceId, [member]);
      else same.push(member);
    }
  }
  const membersOf = (traceId: string) => byTrace.get(traceId) ?? [];
  return new Map(
    [...tracesOf].map(([runId, traces]) => {
      const bad = [...traces].map((traceId) => damaged.get(traceId)).find((found) => found !== undefined);
      return [
        runId,
        bad ?? { kind: 'sound', traces: [...traces], cut: leavesOf.get(runId) === asked.limit, membersOf },
      ];
    }),
  );
}

/** A run, one of its traces, and below which leaf index MEMBER leaves are heeded. */
export interface AskedTrace {
  readonly runId: string;
  readonly traceId: string;
  readonly below: number;
}

/** The steps of the trace, which come in leaf order, that belong to the run. */
export function stepsOfRun(
  membership: Membership,
  asked: AskedTrace,
  steps: readonly StepFacts[],
): readonly StepFacts[] {
  const runs = runsOf(asked.traceId, heeded(membership, asked), steps);
  return steps.filter((_, at) => runs[at] === asked.runId);
}

/** Whether the run has all of the trace that no other carved out. */
export function ownsTrace(membership: Membership, asked: AskedTrace): boolean {
  return ownerOf(asked.traceId, heeded(membership, asked)) === asked.runId;
}

function heeded({ membersOf }: Membership, { traceId, below }: AskedTrace): readonly Member[] {
  return membersOf(traceId).filter(({ index }) => index < below);
}
