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
import { pinOf, readSkeleton } from './skeleton.js';
import { coveredBy } from './tier.js';

/** Events of one run that its summary counts, about 10 MB while they are. */
const MAX_COUNTED = 5_000;

/** Endpoint 4: which rules touched a run, in the order of time. @throws Refusal */
export async function runGovernance(
  deps: ReadDeps,
  tenantId: string,
  runId: string,
  query: RunGovernanceQuery,
): Promise<Reading<RunGovernance>> {
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['llm_runs.governance', runId], filters: {} };
  const cursor = query.cursor === undefined ? null : openCursor(scope, query.cursor);
  const limit = query.limit ?? DEFAULT_LONG_PAGE;
  const options = { readOnly: true, snapshot: true, inIndexOrder: true };
  const page = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => readPage(deps, tx, { tenantId, runId, cursor, limit }),
    options,
  );
  return answer(deps, tenantId, scope, page);
}

interface Asked {
  readonly tenantId: string;
  readonly runId: string;
  readonly cursor: Cursor | null;
  readonly limit: number;
}

/** A page as it came out of one snapshot; bodies are still sealed. */
interface Page {
  readonly run: PinnedRun;
  readonly pins: readonly Pin[];
  readonly shown: readonly (RunEvent & { readonly sealed: SealedText })[];
  readonly next: GovernancePlace | null;
  readonly summary: RunGovernance['summary'];
  readonly reporting: RunGovernance['reporting'];
  readonly provisional: boolean;
}

async function readPage(deps: ReadDeps, tx: Tx, { tenantId, runId, cursor, limit }: Asked): Promise<Page> {
  const run = await pinRun(deps, tx, { tenantId, runId, pins: cursor?.pins ?? null });
  const { skeleton } = await readSkeleton(deps, tx, tenantId, { run });
  const logs = run.sizes.flatMap(({ topic, log, size }) =>
    topic === 'audit' ? [{ log, size: cursor === null ? size : Math.min(size, cursor.pins[log] ?? 0) }] : [],
  );
  const asked = { run, skeleton, logs };
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
  const service = run.newest.members.text('service');
  const isReported = counted.events.some(isGovernance);
  return {
    run,
    pins: [{ log: run.log, size: pinOf(run, skeleton) }, ...logs],
    shown,
    next: isWhole ? found.end : (shown.at(-1)?.place ?? null),
    summary,
    provisional: skeleton.live !== null,
    reporting: isReported
      ? 'REPORTED'
      : (await hasGovernance(tx, tenantId, { logs, service }))
        ? 'NOTHING_REPORTED'
        : 'NO_SOURCE',
  };
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
  let others = 0;
  for (const { checked } of events) {
    if (checked.kind === 'compromised' || checked.members.flag('foreign') === true) continue;
    const category = checked.members.text('category');
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
