import { hex, treeHash } from '@sworn/evidence';
import { type Member, ownerOf } from '../seal/membership.js';
import { placedSteps, runsOfSpans } from '../read/placedSteps.js';
import { readStepHashes } from '../store/checking.js';
import type { LogPlace } from '../store/checking.js';
import { createEventFinder, type EventFinder } from '../seal/events.js';
import { readAuditLogs } from '../store/sealedEvents.js';
import { readMembersOfTraces, readTracesOfRuns } from '../store/members.js';
import type { Checking } from './checking.js';
import type { Tell } from './finding.js';
import type { ReadLeaf } from './leaves.js';

/** RUN leaves whose steps are read together. */
const RUNS_AT_ONCE = 500;

/** Where a step stands, and its hash. */
interface Hashed {
  readonly index: number;
  readonly leafHash: Uint8Array;
}

/**
 * Check V9: each RUN leaf of a chunk counts the steps that the MEMBER leaves below it gave its run, and the events of `audit` that are about that,
 * and their trees are those it names. Steps and events are taken by the columns beside their leaves, which V6 holds against the leaves themselves.
 */
export async function checkRuns(
  checking: Checking,
  place: LogPlace,
  leaves: readonly ReadLeaf[],
  tell: Tell,
): Promise<void> {
  const sealed = leaves.filter(({ row }) => row.kind === 'RUN');
  for (let at = 0; at < sealed.length; at += RUNS_AT_ONCE)
    await checkSome(checking, place, sealed.slice(at, at + RUNS_AT_ONCE), tell);
}

async function checkSome(checking: Checking, place: LogPlace, sealed: readonly ReadLeaf[], tell: Tell): Promise<void> {
  const below = Math.max(...sealed.map(({ row }) => row.index));
  const runIds = [...new Set(sealed.flatMap(({ said }) => said.text('run_id') ?? []))];
  const traces = groupBy(
    await checking.ask((tx) => readTracesOfRuns(tx, place.tenantId, place.log, { runIds, below })),
    ({ runId }) => runId,
  );
  const traceIds = [...new Set([...traces.values()].flatMap((of) => of.map(({ traceId }) => traceId)))];
  const members = groupBy(
    await checking.ask((tx) => readMembersOfTraces(tx, place.tenantId, place.log, { traceIds, below })),
    ({ traceId }) => traceId,
  );
  const isCarved = (traceId: string) => members.get(traceId)?.some(({ roots }) => roots.length > 0) === true;
  const whole = groupBy(
    await checking.ask((tx) => readStepHashes(tx, place, { traceIds: traceIds.filter((id) => !isCarved(id)), below })),
    ({ traceId }) => traceId,
  );
  const { events, logs } = await eventsFor(checking, place, runIds, traceIds);
  for (const { row, said } of sealed) {
    const runId = said.text('run_id') ?? '';
    const stepsBelow = said.object('sizes').count('llm-runs') ?? 0;
    // A RUN leaf of before runs had several traces heeded what lay before it.
    const membersBelow = said.count('members_below') ?? row.index;
    const steps: Hashed[] = [];
    const own: { readonly traceId: string; readonly members: readonly Member[] }[] = [];
    for (const { traceId } of traces.get(runId) ?? []) {
      const heeded = (members.get(traceId) ?? []).filter(({ index }) => index < membersBelow);
      if (!heeded.some((member) => member.runId === runId)) continue;
      own.push({ traceId, members: heeded });
      if (isCarved(traceId))
        steps.push(...(await carvedSteps(checking, place, { runId, traceId, stepsBelow }, heeded)));
      else if (ownerOf(traceId, heeded) === runId)
        for (const step of whole.get(traceId) ?? []) if (step.index < stepsBelow) steps.push(step);
    }
    steps.sort((a, b) => a.index - b.index);
    const [count, tree] = [said.count('steps') ?? 0, said.text('tree')];
    const found = hex(treeHash(steps.map(({ leafHash }) => leafHash)));
    const at = { ...place, code: 'RUN_TREE_MISMATCH', index: row.index, table: 'leaf' } as const;
    if (count !== steps.length || tree !== found)
      tell({ ...at, expected: `${count} steps of tree ${String(tree)}`, found: `${steps.length} of ${found}` });
    // One of before the sealer followed `audit`, or of a run that went into another, heeds no event.
    const eventCount = said.count('events');
    if (eventCount === null) continue;
    const sizes = said.object('sizes');
    const audit = logs.map(({ log }) => ({ log, size: sizes.count(log) ?? 0 }));
    const ofSpans = (traceId: string, heeded: readonly Member[]) =>
      runsOfSpans((look) => checking.ask(look), { ...place, traceId, stepsBelow }, heeded);
    const hashes: Uint8Array[] = [];
    for await (const some of events.of({ runId, traces: own, stepsBelow, membersBelow, audit, runsOfSpans: ofSpans }))
      for (const { leafHash } of some) hashes.push(leafHash);
    const [eventsTree, foundEvents] = [said.text('events_tree'), hex(treeHash(hashes))];
    if (eventCount === hashes.length && eventsTree === foundEvents) continue;
    tell({
      ...at,
      expected: `${eventCount} events of tree ${String(eventsTree)}`,
      found: `${hashes.length} of ${foundEvents}`,
    });
  }
}

/** What finds the events of these runs, in all of the tenant's logs of topic `audit`. */
async function eventsFor(
  checking: Checking,
  { tenantId, log }: LogPlace,
  runIds: readonly string[],
  traceIds: readonly string[],
): Promise<{ readonly events: EventFinder; readonly logs: readonly { readonly log: string }[] }> {
  const logs = await checking.ask((tx) => readAuditLogs(tx, tenantId));
  const events = createEventFinder({ ask: (look) => checking.ask(look), tenantId, log, audit: logs });
  await events.load(runIds, traceIds);
  return { events, logs };
}

/** The steps of one trace that belong to the run, where other runs carved parts out of it. */
async function carvedSteps(
  checking: Checking,
  place: LogPlace,
  of: { readonly runId: string; readonly traceId: string; readonly stepsBelow: number },
  heeded: readonly Member[],
): Promise<Hashed[]> {
  const { facts, runs } = await placedSteps((look) => checking.ask(look), { ...place, ...of }, heeded);
  return facts.filter((_, at) => runs[at] === of.runId);
}

function groupBy<T>(rows: readonly T[], keyOf: (row: T) => string): ReadonlyMap<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const key = keyOf(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return groups;
}
