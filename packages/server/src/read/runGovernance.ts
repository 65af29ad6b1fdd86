import {
  type CompromisedItem,
  DEFAULT_LONG_PAGE,
  type GovernanceEvent,
  MAX_LONG_BYTES,
  type RunGovernance,
  type RunGovernanceQuery,
} from '@sworn/contract';
import { inTenant, type Tx } from '../store/database.js';
import { type GovernancePlace, hasGovernance } from '../store/governance.js';
import { checkedCover, governanceEvent } from './governanceEvent.js';
import type { SoundEntry } from './checkEntry.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { type DamagedText, type EventText, openTexts, type SealedText, sealedTexts } from './eventText.js';
import { type AggregatedItem, aggregateMetadata, runSpine } from './metadata.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { compromisedItem } from './runItem.js';
import { readRunEvents, type RunEvent } from './runEvents.js';
import { type PinnedRun, pinRun } from './settled.js';
import type { Skeleton } from './runOrder.js';
import { pinOf, readSkeleton } from './skeleton.js';
import { auditPins, keptSource, MAX_WITHHELD, withheldSource } from './source.js';
import { coveredBy } from './tier.js';

/** Events of one run that its summary counts, about 10 MB while they are. */
const MAX_COUNTED = 5_000;

/** Endpoint 4: which rules touched a run, in the order of time; whoever may not see records of `audit` is told how many are withheld. @throws Refusal */
export async function runGovernance(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  { query, isAuditor }: { readonly query: RunGovernanceQuery; readonly isAuditor: boolean },
): Promise<Reading<RunGovernance>> {
  // What is withheld is part of the crawl: a key that may see more asks anew.
  const of = ['llm_runs.governance', runId, ...(isAuditor ? ['audit'] : [])];
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of, filters: {} };
  const cursor = query.cursor === undefined ? null : openCursor(scope, query.cursor);
  const limit = query.limit ?? DEFAULT_LONG_PAGE;
  const options = { readOnly: true, snapshot: true, inIndexOrder: true };
  const page = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readPage(deps, tx, { tenantId, runId, isAuditor, cursor, limit }),
    options,
  );
  return answer(deps, tenantId, scope, page);
}

interface Asked {
  readonly tenantId: string;
  readonly runId: string;
  /** Records of `audit` may be seen. */
  readonly isAuditor: boolean;
  readonly cursor: Cursor | null;
  readonly limit: number;
}

/** A page as it came out of one snapshot; bodies are still sealed. */
interface Page {
  readonly run: PinnedRun;
  readonly pins: readonly Pin[];
  readonly sources: RunGovernance['sources'];
  readonly shown: readonly (RunEvent & { readonly sealed: SealedText })[];
  readonly next: GovernancePlace | null;
  readonly summary: RunGovernance['summary'];
  readonly reporting: RunGovernance['reporting'];
  readonly provisional: boolean;
}

async function readPage(deps: ReadDeps, tx: Tx, { tenantId, runId, isAuditor, cursor, limit }: Asked): Promise<Page> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: cursor?.pins ?? null });
  const { skeleton } = await readSkeleton(deps, tx, tenantId, { run });
  const logs = auditPins(run, cursor);
  const asked = { run, skeleton, logs };
  if (!isAuditor) return withheldPage(deps, tx, tenantId, asked);
  const after = cursor === null ? null : positionOf(cursor);
  const counted = await readRunEvents(deps, tx, tenantId, { ...asked, after: null, limit: MAX_COUNTED });
  const found = after === null ? counted : await readRunEvents(deps, tx, tenantId, { ...asked, after, limit });
  const events = found.events.slice(0, limit);
  const sealed = await sealedTexts(deps, tx, tenantId, { run, events });
  const shown: (RunEvent & { readonly sealed: SealedText })[] = [];
  let bytes = 0;
  for (const [i, event] of events.entries()) {
    const text = sealed[i] as SealedText;
    bytes += text.bytes;
    if (bytes > MAX_LONG_BYTES && shown.length > 0) break;
    shown.push({ ...event, sealed: text });
  }
  const isWhole = shown.length === found.events.length;
  const summary = summaryOf(counted.events, counted.end === null);
  const { stored, members: m } = run.newest;
  const from = m.text('started_at') ?? stored.occurredAt;
  return {
    run,
    pins: [{ log: run.log, size: pinOf(run, skeleton) }, ...logs],
    sources: [await keptSource(deps, tx, tenantId, { source: 'policy', logs, from })],
    shown,
    next: isWhole ? found.end : (shown.at(-1)?.place ?? null),
    summary,
    provisional: skeleton.live !== null,
    reporting: await reportingOf(tx, tenantId, asked, counted.events.some(isGovernance)),
  };
}

interface AskedRun {
  readonly run: PinnedRun;
  readonly skeleton: Skeleton;
  readonly logs: readonly Pin[];
}

/** What is told to whoever may not see the events. How long a log is that he may not read is not his business either: it is part of no pin. */
async function withheldPage(deps: ReadDeps, tx: Tx, tenantId: string, asked: AskedRun): Promise<Page> {
  const { run, skeleton } = asked;
  const { events } = await readRunEvents(deps, tx, tenantId, { ...asked, after: null, limit: MAX_WITHHELD });
  return {
    run,
    pins: [{ log: run.log, size: pinOf(run, skeleton) }],
    sources: [withheldSource('policy', events.length)],
    shown: [],
    next: null,
    summary: null,
    provisional: skeleton.live !== null,
    reporting: await reportingOf(tx, tenantId, asked, events.length > 0),
  };
}

async function reportingOf(
  tx: Tx,
  tenantId: string,
  { run, logs }: AskedRun,
  isReported: boolean,
): Promise<RunGovernance['reporting']> {
  if (isReported) return 'REPORTED';
  const service = run.newest.members.text('service');
  return (await hasGovernance(tx, tenantId, { logs, service })) ? 'NOTHING_REPORTED' : 'NO_SOURCE';
}

/** A cursor's position is the last event: its time, log and leaf. */
function positionOf({ position: [occurredAt, log, index] }: Cursor): GovernancePlace {
  return { occurredAt: String(occurredAt), log: String(log), index: Number(index) };
}

function isGovernance({ checked }: RunEvent): boolean {
  return checked.kind === 'compromised' || checked.members.text('category') !== null;
}

/** Of damaged events nobody knows what they say, and what a foreign key says changes nothing. */
function summaryOf(events: readonly RunEvent[], complete: boolean): RunGovernance['summary'] {
  const counts = new Map<string, number>();
  let [others, leftOut] = [0, 0];
  for (const { checked } of events) {
    if (checked.kind === 'compromised' || checked.members.flag('foreign') === true) continue;
    const category = checked.members.text('category');
    leftOut += checked.members.count('events_left_out') ?? 0;
    if (category === null) others++;
    else {
      const name = `${category} ${checked.members.text('decision') ?? 'NONE'}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  return {
    counts: [...counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, count]) => {
        const [category, decision] = name.split(' ') as [
          GovernanceEvent['category'] & string,
          GovernanceEvent['decision'],
        ];
        return { category, decision, count };
      }),
    others,
    events_left_out: leftOut,
    complete,
  };
}

async function answer(
  deps: ReadDeps,
  tenantId: string,
  scope: CursorScope,
  page: Page,
): Promise<Reading<RunGovernance>> {
  const { run, pins, shown, next } = page;
  const { stored, members: m } = run.newest;
  const sound = shown.flatMap(({ checked, sealed }) => (checked.kind === 'sound' ? [{ entry: checked, sealed }] : []));
  const texts = new Map<SoundEntry, EventText | DamagedText | null>();
  for (const [i, text] of (await openTexts(deps, tenantId, sound)).entries())
    texts.set((sound[i] as { entry: SoundEntry }).entry, text);
  const coveringOf = coveredBy(deps, tenantId, run.sizes);
  const events: (GovernanceEvent | CompromisedItem)[] = [];
  const items: AggregatedItem[] = [];
  for (const { checked, step } of shown) {
    if (checked.kind === 'compromised') {
      events.push(compromisedItem(checked));
      continue;
    }
    const text = texts.get(checked) ?? null;
    if (text?.kind === 'damaged') {
      events.push(compromisedItem({ kind: 'compromised', stored: checked.stored, finding: text.finding }));
      continue;
    }
    events.push(governanceEvent(checked, { stepIndex: step?.at ?? null, text }));
    const ids = (name: string) => [checked.members.text(name) ?? []].flat();
    items.push({
      ...checked.stored,
      covered: coveringOf(checked.stored, await checkedCover(deps, tenantId, checked)),
      spine: { ...runSpine(m), policyIds: ids('policy_id'), incidentIds: ids('incident_id') },
    });
  }
  const metadata = aggregateMetadata({
    tenantId,
    items,
    pins,
    whenEmpty: { occurredAt: stored.occurredAt, recordedAt: stored.recordedAt },
    sound: items.length === shown.length,
  });
  return {
    answer: {
      run_id: run.runId,
      trace_id: m.text('trace_id'),
      sources: page.sources,
      events,
      summary: page.summary,
      reporting: page.reporting,
      provisional: page.provisional,
      has_more: next !== null,
      next_cursor:
        next === null
          ? null
          : sealCursor(scope, {
              pins: Object.fromEntries([[run.log, run.bound], ...pins.slice(1).map(({ log, size }) => [log, size])]),
              position: [next.occurredAt, next.log, next.index],
            }),
      filters_applied: {},
      metadata: { ...metadata, run_id: run.runId, source_domain: 'POLICY' },
    },
    pins,
    count: events.length,
    sizes: run.sizes,
  };
}
