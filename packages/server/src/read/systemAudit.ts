import {
  type AttributionItem,
  type AttributionList,
  type AttributionQuery,
  type CompromisedItem,
  DEFAULT_PAGE,
} from '@sworn/contract';
import { readEntriesAt } from '../store/auditEntries.js';
import { type LogSize, readLogSizes } from '../store/checkpointRead.js';
import { inTenant, type Tx, type TxOptions } from '../store/database.js';
import { findEntries } from '../store/entryPlaces.js';
import { MAX_EXAMINED } from '../store/runLead.js';
import { systemSelection } from '../store/systemSelection.js';
import { attributed, attributionItem } from './attributionItem.js';
import type { Checked } from './check.js';
import { checkEntry, type SoundEntry } from './checkEntry.js';
import { coveredAt } from './checkpoints.js';
import { type Cursor, type CursorScope, openCursor, sealCursor } from './cursor.js';
import { emptyTimes } from './emptyTimes.js';
import { type EndedPlace, type EndedRuns, findEnded } from './endedRuns.js';
import { type AggregatedItem, aggregateMetadata, runSpine } from './metadata.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { gatherEvidence, type RunEvidence } from './runEvidence.js';
import { compromisedItem } from './runItem.js';
import { checkedRunsAt } from './runsAt.js';
import { coveredBy } from './tier.js';
import { filterTime } from './time.js';

/** Runs that a page evaluates where it shows those of one party: each costs its own looks. */
const MAX_EVALUATED = 200;
/** Records of Sworn's own life that a page is held against: the newest. */
const MAX_PLATFORM = 200;

const PAGE: TxOptions = { readOnly: true, snapshot: true, inIndexOrder: true };

/** Endpoint 12: runs that failed, were aborted or timed out, newest first, each with whom its records point to. Evaluated with every answer; nothing is stored. */
export async function systemAudit(
  deps: ReadDeps,
  tenantId: string,
  query: AttributionQuery,
): Promise<Reading<AttributionList>> {
  const { limit = DEFAULT_PAGE, cursor: text, ...filters } = query;
  const scope: CursorScope = { key: deps.cursorKey, tenantId, of: ['system.audit'], filters };
  const cursor = text === undefined ? null : openCursor(scope, text);
  const found = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => read(deps, tx, { tenantId, query, limit, cursor }),
    PAGE,
  );
  const platform = await inTenant(
    deps.db,
    'reader',
    deps.platformTenant,
    (tx) => platformRecords(deps, tx, found),
    PAGE,
  );
  return answer(deps, tenantId, { found, platform, scope, query, limit });
}

interface Asked {
  readonly tenantId: string;
  readonly query: AttributionQuery;
  readonly limit: number;
  readonly cursor: Cursor | null;
}

type Judged = { readonly place: EndedPlace } & (
  | { readonly kind: 'compromised'; readonly of: Extract<Checked<unknown>, { kind: 'compromised' }> }
  | { readonly kind: 'sound'; readonly evidence: RunEvidence }
);

interface Found {
  readonly sizes: readonly LogSize[];
  readonly pins: readonly Pin[];
  readonly judged: readonly Judged[];
  readonly ended: EndedRuns;
  readonly whenEmpty: { readonly occurredAt: string; readonly recordedAt: string };
}

async function read(deps: ReadDeps, tx: Tx, { tenantId, query, limit, cursor }: Asked): Promise<Found> {
  const sizes = await readLogSizes(tx, tenantId);
  const pinsOf = (topic: string): Pin[] =>
    sizes
      .filter((log) => log.topic === topic)
      .map(({ log, size }) => ({ log, size: cursor === null ? size : Math.min(size, cursor.pins[log] ?? 0) }));
  const [runPins, system] = [pinsOf('llm-runs'), pinsOf('system')];
  const time = (name: 'occurred_after' | 'occurred_before' | 'recorded_after' | 'recorded_before') =>
    query[name] === undefined ? null : filterTime(name, query[name]);
  const ended = await findEnded(tx, tenantId, runPins, {
    runId: query.run_id ?? null,
    occurredAfter: time('occurred_after'),
    occurredBefore: time('occurred_before'),
    recordedAfter: time('recorded_after'),
    recordedBefore: time('recorded_before'),
    after: placeOf(cursor),
    limit: query.party === undefined ? limit : MAX_EVALUATED,
  });
  const kinds = deps.attribution.rules.flatMap(({ when }) => when.system_event ?? []);
  const judged: Judged[] = [];
  for (const pin of runPins) {
    const places = ended.runs.filter(({ log }) => log === pin.log);
    const checked = await checkedRunsAt(
      deps,
      tx,
      tenantId,
      pin,
      places.map(({ index }) => index),
    );
    const sound = checked.flatMap((run) => (run.kind === 'sound' ? [run] : []));
    const evidence = await gatherEvidence(deps, tx, tenantId, { pin, system, kinds }, sound);
    const evidenceOf = new Map(evidence.map((one) => [one.run.stored.index, one]));
    for (const [i, run] of checked.entries()) judged.push(judge(places[i], run, evidenceOf.get(run.stored.index)));
  }
  const pins = [...runPins, ...system];
  return { sizes, pins, judged, ended, whenEmpty: await emptyTimes(tx, tenantId, pins) };
}

function judge(place: EndedPlace | undefined, run: Checked<unknown>, evidence: RunEvidence | undefined): Judged {
  if (place === undefined) throw new Error('a run that was found is in the same snapshot');
  if (run.kind === 'compromised') return { kind: 'compromised', place, of: run };
  if (evidence === undefined) throw new Error('every run has its evidence');
  // What its party would rest on is not as it was written.
  if (evidence.step?.kind === 'compromised') return { kind: 'compromised', place, of: evidence.step };
  return { kind: 'sound', place, evidence };
}

function placeOf(cursor: Cursor | null): EndedPlace | null {
  if (cursor === null) return null;
  const [log, place, occurredAt] = cursor.position;
  return { log: String(log), place: Number(place), occurredAt: String(occurredAt) };
}

const SHARED = systemSelection({
  component: null,
  eventType: null,
  severity: null,
  correlationId: null,
  service: null,
  shared: true,
});

/** What Sworn itself went through while these runs were open: only what it shares. In a transaction that sees the platform's tenant alone. */
async function platformRecords(deps: ReadDeps, tx: Tx, { judged }: Found): Promise<readonly SoundEntry[]> {
  const kinds = new Set(deps.attribution.rules.flatMap(({ when }) => when.platform_event ?? []));
  const runs = judged.flatMap((one) => (one.kind === 'sound' ? [one.evidence.run] : []));
  const from = runs.map(({ stored, members }) => members.text('started_at') ?? stored.occurredAt).sort()[0];
  if (from === undefined || kinds.size === 0) return [];
  const { platformTenant: tenantId } = deps;
  const open = await deps.openFindings(tx, tenantId);
  const records: SoundEntry[] = [];
  for (const { topic, log, size } of await readLogSizes(tx, tenantId)) {
    if (topic !== 'system') continue;
    const { places } = await findEntries(tx, tenantId, SHARED, {
      log,
      order: 'desc',
      from: 0,
      below: size,
      occurred: { after: from, before: null },
      after: null,
      limit: MAX_PLATFORM,
      examine: MAX_EXAMINED,
    });
    const indexes = places.map(({ index }) => index);
    for (const stored of await readEntriesAt(tx, tenantId, { topic, log }, indexes)) {
      const checked = heldAgainst(checkEntry(stored, topic, deps.originOf(tenantId, log)), open);
      if (checked.kind === 'sound' && kinds.has(checked.stored.kind)) records.push(checked);
    }
  }
  return records;
}

interface Answering {
  readonly found: Found;
  readonly platform: readonly SoundEntry[];
  readonly scope: CursorScope;
  readonly query: AttributionQuery;
  readonly limit: number;
}

async function answer(
  deps: ReadDeps,
  tenantId: string,
  { found, platform, scope, query, limit }: Answering,
): Promise<Reading<AttributionList>> {
  const { sizes, pins, judged, ended } = found;
  const { version, rules } = deps.attribution;
  const coveringOf = coveredBy(deps, tenantId, sizes);
  const items: (AttributionItem | CompromisedItem)[] = [];
  const sound: AggregatedItem[] = [];
  let last: EndedPlace | null = null;
  for (const one of judged) {
    if (items.length === limit) break;
    last = one.place;
    if (one.kind === 'compromised') {
      items.push(compromisedItem(one.of));
      continue;
    }
    const { evidence } = one;
    const result = attributed(deps.attribution, evidence, platform);
    if (query.party !== undefined && (result.rule?.party ?? 'UNKNOWN') !== query.party) continue;
    const { stored, members } = evidence.run;
    const covered = coveringOf(stored, await coveredAt(deps.verifyCheckpoint, tenantId, stored));
    items.push(attributionItem(tenantId, { evidence, platform, covered, version, attributed: result }));
    sound.push({ ...stored, covered, spine: runSpine(members) });
  }
  const isThrough = last === null || last === judged.at(-1)?.place;
  const next = isThrough ? ended.next : last;
  const isSound = sound.length === items.length;
  const { limit: _, cursor: __, ...filters } = query;
  const applied = Object.entries(filters).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    answer: {
      items,
      rules: rules.map(({ id, party, confidence, when }) => ({
        id,
        party,
        confidence,
        when: Object.entries(when).map(([asks, words]) => ({ asks, words: [...words] })),
      })),
      rules_version: version,
      has_more: next !== null,
      examined_limit_reached: next !== null && items.length < limit,
      next_cursor:
        next === null
          ? null
          : sealCursor(scope, {
              pins: Object.fromEntries(pins.map(({ log, size }) => [log, size])),
              position: [next.log, next.place, next.occurredAt],
            }),
      filters_applied: Object.fromEntries(applied),
      metadata: {
        ...aggregateMetadata({ tenantId, items: sound, pins, whenEmpty: found.whenEmpty, sound: isSound }),
        source_domain: 'SYSTEM',
      },
    },
    pins,
    count: items.length,
    sizes,
  };
}
