import { MAX_OTHER_RUNS, type SystemEvent } from '@sworn/contract';
import { type Member, ownerOf } from '../seal/membership.js';
import type { Tx } from '../store/database.js';
import { readMembersOfTraces } from '../store/members.js';
import { findRunsBefore } from '../store/runsBefore.js';
import { checkBytes } from './check.js';
import type { SoundEntry } from './checkEntry.js';
import type { ReadDeps } from './reading.js';
import type { PinnedRun } from './settled.js';

/** Rows of runs that are looked at for one page: of those that began last before its newest record. */
const MAX_ROWS = 2_000;

/** Which other runs a record belongs to. */
export type OtherRunsOf = (record: SoundEntry) => SystemEvent['other_runs'];

/** When a sealed run ran, and where. */
interface Ran {
  readonly runId: string;
  readonly place: string;
  readonly from: string;
  readonly before: string | null;
}

/** For the records of one page of a run: by what other runs' MEMBER and RUN leaves say. */
export async function otherRuns(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, records }: { readonly run: PinnedRun; readonly records: readonly SoundEntry[] },
): Promise<OtherRunsOf> {
  const { runId, log, bound } = run;
  const traceIds = [...new Set(records.flatMap(({ members }) => members.text('trace_id') ?? []))];
  const ofTrace = new Map<string, ReadonlySet<string>>();
  const members = new Map<string, Member[]>(traceIds.map((traceId) => [traceId, []]));
  for (const member of await readMembersOfTraces(tx, tenantId, log, { traceIds, below: bound }))
    members.get(member.traceId)?.push(member);
  for (const [traceId, own] of members) {
    // A trace that no run was opened for is nobody's.
    if (own.length === 0) continue;
    const carved = own.filter(({ roots }) => roots.length > 0);
    ofTrace.set(traceId, new Set([ownerOf(traceId, own), ...carved.map((member) => member.runId)]));
  }
  const { ran, more } = await ranBeside(deps, tx, tenantId, { run, records });
  return ({ stored, members: m }) => {
    const traceId = m.text('trace_id');
    if (traceId !== null)
      return shown(
        [...(ofTrace.get(traceId) ?? [])].filter((id) => id !== runId),
        true,
      );
    const place = placeOf(m.text('service'), m.text('instance'));
    if (place === null) return null;
    const at = stored.occurredAt;
    const there = ran.filter(
      (one) => one.place === place && one.from <= at && (one.before === null || at < one.before) && one.runId !== runId,
    );
    return shown(
      there.map((one) => one.runId),
      !more,
    );
  };
}

function shown(runIds: readonly string[], complete: boolean): SystemEvent['other_runs'] {
  return { count: runIds.length, run_ids: runIds.slice(0, MAX_OTHER_RUNS), complete };
}

/** Runs that may have run while records without a trace were made; none is looked for when there is no such record. */
async function ranBeside(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  { run, records }: { readonly run: PinnedRun; readonly records: readonly SoundEntry[] },
): Promise<{ readonly ran: readonly Ran[]; readonly more: boolean }> {
  const times = records
    .filter(({ members: m }) => m.text('trace_id') === null && m.text('instance') !== null)
    .map(({ stored }) => stored.occurredAt);
  const time = times.reduce<string | null>((newest, at) => (newest === null || at > newest ? at : newest), null);
  if (time === null) return { ran: [], more: false };
  const asked = { log: run.log, pin: run.bound, time, limit: MAX_ROWS };
  const { leaves, more } = await findRunsBefore(tx, tenantId, asked);
  const ran: Ran[] = [];
  for (const leaf of leaves) {
    const checked = checkBytes(leaf, deps.originOf(tenantId, run.log));
    // Damage of another run is told where that one is asked for.
    if (checked.kind === 'compromised') continue;
    const { members: m } = checked;
    const [runId, from] = [m.text('run_id'), m.text('started_at')];
    const place = placeOf(m.text('service'), m.text('instance'));
    if (runId === null || from === null || place === null || m.text('superseded_by') !== null) continue;
    ran.push({ runId, place, from, before: m.text('completed_at') });
  }
  return { ran, more };
}

function placeOf(service: string | null, instance: string | null): string | null {
  return instance === null ? null : JSON.stringify([service, instance]);
}
