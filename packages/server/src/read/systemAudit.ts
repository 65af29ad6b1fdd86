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
import { type EndedAsked, type EndedPlace, type EndedRuns, findEnded } from './endedRuns.js';
import { type AggregatedItem, aggregateMetadata, runSpine } from './metadata.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps, Reading } from './reading.js';
import { gatherEvidence, type RunEvidence } from './runEvidence.js';
import { compromisedItem } from './runItem.js';
import { checkedRunsAt } from './runsAt.js';
import { coveredBy } from './tier.js';
import { filterTime } from './time.js';

/** Rows that are looked at of one run: its own and its leaf, its turning step and its record, and those of others that the rules ask about. */
const ROWS_OF_A_RUN = 10;
/** Runs that a page evaluates where it shows those of one party: as many as have the rows that a page examines at most (CONTRACT.md §1). */
const MAX_EVALUATED = MAX_EXAMINED / ROWS_OF_A_RUN;
/** They are evaluated so many at a time, until the page is full. */
const EVALUATED_AT_ONCE = 200;
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
  const platform = await inTenant(deps.db, 'reader', deps.platformTenant, (tx) => platformRecords(deps, tx), PAGE);
  const asked = { tenantId, query, limit, cursor, platform };
  const found = await inTenant(deps.db, 'reader', tenantId, (tx) => read(deps, tx, asked), PAGE);
  return answer(deps, tenantId, { found, platform, scope, query, limit });
}

interface Asked {
  readonly tenantId: string;
  readonly query: AttributionQuery;
  readonly limit: number;
  readonly cursor: Cursor | null;
  readonly platform: readonly SoundEntry[];
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

/** A page; of one party as many runs as it takes to fill it, and no more than a page examines. */
async function read(deps: ReadDeps, tx: Tx, asked: Asked): Promise<Found> {
  const { tenantId, query, limit, cursor, platform } = asked;
  const sizes = await readLogSizes(tx, tenantId);
  const pinsOf = (topic: string): Pin[] =>
    sizes
      .filter((log) => log.topic === topic)
      .map(({ log, size }) => ({ log, size: cursor === null ? size : Math.min(size, cursor.pins[log] ?? 0) }));
  const logs = { runs: pinsOf('llm-runs'), system: pinsOf('system') };
  const judged: Judged[] = [];
  let shown = 0;
  let ended: EndedRuns;
  let after = placeOf(cursor);
  do {
    ended = await findEnded(
      tx,
      tenantId,
      logs.runs,
      endedOf(query, after, query.party === undefined ? limit : EVALUATED_AT_ONCE),
    );
    const more = await judgeAll(deps, tx, tenantId, logs, ended);
    shown += more.filter((one) => isShown(deps, query, one, platform)).length;
    judged.push(...more);
    after = ended.next;
  } while (
    query.party !== undefined &&
    after !== null &&
    !ended.limitReached &&
    shown < limit &&
    judged.length < MAX_EVALUATED
  );
  const pins = [...logs.runs, ...logs.system];
  return { sizes, pins, judged, ended, whenEmpty: await emptyTimes(tx, tenantId, pins) };
}

function endedOf(query: AttributionQuery, after: EndedPlace | null, limit: number): EndedAsked {
  const time = (name: 'occurred_after' | 'occurred_before' | 'recorded_after' | 'recorded_before') =>
    query[name] === undefined ? null : filterTime(name, query[name]);
  return {
    runId: query.run_id ?? null,
    occurredAfter: time('occurred_after'),
    occurredBefore: time('occurred_before'),
    recordedAfter: time('recorded_after'),
    recordedBefore: time('recorded_before'),
    after,
    limit,
  };
}

async function judgeAll(
  deps: ReadDeps,
  tx: Tx,
  tenantId: string,
  logs: { readonly runs: readonly Pin[]; readonly system: readonly Pin[] },
  { runs }: EndedRuns,
): Promise<Judged[]> {
  const kinds = deps.attribution.rules.flatMap(({ when }) => when.system_event ?? []);
  const judged: Judged[] = [];
  for (const pin of logs.runs) {
    const places = runs.filter(({ log }) => log === pin.log);
    const indexes = places.map(({ index }) => index);
    const checked = await checkedRunsAt(deps, tx, tenantId, pin, indexes);
    const sound = checked.flatMap((run) => (run.kind === 'sound' ? [run] : []));
    const evidence = await gatherEvidence(deps, tx, tenantId, { pin, system: logs.system, kinds }, sound);
    const evidenceOf = new Map(evidence.map((one) => [one.run.stored.index, one]));
    for (const [i, run] of checked.entries()) judged.push(judge(places[i], run, evidenceOf.get(run.stored.index)));
  }
  return judged;
}

/** What is not as it was written is shown whoever is asked for. */
function isShown(
  { attribution }: ReadDeps,
  { party }: AttributionQuery,
  one: Judged,
  platform: readonly SoundEntry[],
): boolean {
  if (party === undefined || one.kind === 'compromised') return true;
  return (attributed(attribution, one.evidence, platform).rule?.party ?? 'UNKNOWN') === party;
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

/** What Sworn itself went through last: only what it shares. In a transaction that sees the platform's tenant alone. */
async function platformRecords(deps: ReadDeps, tx: Tx): Promise<readonly SoundEntry[]> {
  const kinds = new Set(deps.attribution.rules.flatMap(({ when }) => when.platform_event ?? []));
  if (kinds.size === 0) return [];
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
      occurred: { after: null, before: null },
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
    if (!isShown(deps, query, one, platform)) continue;
    const result = attributed(deps.attribution, evidence, platform);
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
