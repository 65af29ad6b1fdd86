import { readEntriesAt } from '../store/auditEntries.js';
import { byTime, findShared, type TiedPlace } from '../store/associations.js';
import { readLogSizes } from '../store/checkpointRead.js';
import { inTenant, type Tx } from '../store/database.js';
import type { TiedPage, TiedRecord } from './association.js';
import { checkEntry } from './checkEntry.js';
import type { Cursor } from './cursor.js';
import { PLATFORM_PREFIX } from './entryWalk.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import { type CoveredBy, coveredBy } from './tier.js';
import type { Life } from './ties.js';

/** Which of them. */
export interface AskedShared {
  readonly tenantId: string;
  /** When the run ran; null: nobody knows. */
  readonly life: Life | null;
  readonly window: { readonly from: string; readonly before: string } | null;
  readonly after: TiedPlace | null;
  readonly limit: number;
  readonly cursor: Cursor | null;
}

/** A page of what Sworn shares of its own life. */
export interface SharedPage extends TiedPage {
  readonly pins: readonly Pin[];
  readonly coveringOf: CoveredBy;
}

const NONE: SharedPage = { records: [], next: null, pins: [], coveringOf: () => null };

/**
 * The records that Sworn shares of its own life while a run ran, oldest first: by statements of their own, in a transaction that sees the platform's
 * tenant and nothing of this one. Who is the platform has them in its own logs.
 */
export function readShared(deps: ReadDeps, asked: AskedShared): Promise<SharedPage> {
  if (asked.life === null || asked.tenantId === deps.platformTenant) return Promise.resolve(NONE);
  const { life } = asked;
  return inTenant(deps.db, 'reader', deps.platformTenant, (tx) => readPage(deps, tx, { ...asked, life }), {
    readOnly: true,
    snapshot: true,
    inIndexOrder: true,
  });
}

async function readPage(deps: ReadDeps, tx: Tx, asked: AskedShared & { readonly life: Life }): Promise<SharedPage> {
  const { life, window, after, limit, cursor } = asked;
  const { platformTenant } = deps;
  const sizes = await readLogSizes(tx, platformTenant);
  const open = await deps.openFindings(tx, platformTenant);
  const from = window !== null && window.from > life.from ? window.from : life.from;
  const before =
    life.before === null || (window !== null && window.before < life.before) ? (window?.before ?? null) : life.before;
  const pins: Pin[] = [];
  const records: TiedRecord[] = [];
  let end: TiedPlace | null = null;
  for (const { log, size } of sizes.filter(({ topic }) => topic === 'system')) {
    const name = `${PLATFORM_PREFIX}${log}`;
    const pin = cursor === null ? size : Math.min(size, cursor.pins[name] ?? 0);
    pins.push({ log: name, size: pin });
    const found = await findShared(
      tx,
      platformTenant,
      { from, before },
      { log, name, below: pin, after, limit: limit + 1 },
    );
    if (found.end !== null && (end === null || byTime(found.end, end) < 0)) end = found.end;
    const placeOf = new Map(found.places.map((place) => [place.index, place]));
    const origin = deps.originOf(platformTenant, log);
    for (const stored of await readEntriesAt(tx, platformTenant, { topic: 'system', log }, [...placeOf.keys()])) {
      const checked = heldAgainst(checkEntry(stored, 'system', origin), open);
      const place = placeOf.get(stored.index);
      if (place !== undefined) records.push({ place, association: 'PLATFORM', tie: 'TIME', checked });
    }
  }
  const upTo = end;
  return {
    records: records
      .filter(({ place }) => upTo === null || byTime(place, upTo) <= 0)
      .sort((a, b) => byTime(a.place, b.place)),
    next: upTo,
    pins,
    coveringOf: coveredBy(deps, platformTenant, sizes),
  };
}

/** A tenant's own records and the platform's in one order: a beginning of both, up to where one of them may have more. */
export function withShared(own: TiedPage, shared: TiedPage, limit: number): TiedPage {
  const ends = [own.next, shared.next].filter((end) => end !== null).sort(byTime);
  const [upTo = null] = ends;
  const records = [...own.records, ...shared.records]
    .filter(({ place }) => upTo === null || byTime(place, upTo) <= 0)
    .sort((a, b) => byTime(a.place, b.place));
  if (records.length > limit) return { records: records.slice(0, limit), next: records[limit - 1]?.place ?? null };
  return { records, next: upTo };
}
