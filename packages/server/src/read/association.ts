import {
  byTime,
  findGapsBefore,
  findTied,
  type FoundTied,
  type GapWord,
  type Tie,
  type TiedPlace,
  type TieLane,
} from '../store/associations.js';
import type { Tx } from '../store/database.js';
import { readEntriesAt, type StoredEntry } from '../store/auditEntries.js';
import type { Checked } from './check.js';
import { checkEntry } from './checkEntry.js';
import type { Cursor } from './cursor.js';
import { heldAgainst } from './openFindings.js';
import type { Pin, ReadDeps } from './reading.js';
import type { PinnedRun } from './settled.js';
import type { RunTies } from './ties.js';

/** How a record of `system` belongs to a run (CONTRACT.md §3, endpoint 10). */
export type Association = 'CORRELATED' | 'CO_LOCATED' | 'PLATFORM';

/** Which of the records that are tied to a run. */
export interface AskedTied {
  readonly ties: RunTies;
  /** The logs of topic `system`, and below which leaf index records count. */
  readonly logs: readonly Pin[];
  /** `from` ≤ occurred_at < `before`; null: all, also of the gaps that were open when the run began. */
  readonly window: { readonly from: string; readonly before: string } | null;
  /** Goes on behind this one. */
  readonly after: TiedPlace | null;
  readonly limit: number;
}

/** A record that is tied to a run, after its check. Of one that failed it nobody knows what it is tied by: it stands as it was found. */
export interface TiedRecord {
  readonly place: TiedPlace;
  readonly association: Association;
  /** TIME: it is the platform's. */
  readonly tie: Tie | 'TIME';
  readonly checked: Checked<StoredEntry>;
}

/** A page of them. */
export interface TiedPage {
  /** By time, log and leaf; maybe fewer than were asked for although there are more. */
  readonly records: readonly TiedRecord[];
  /** Where the next page goes on; null: there is none. */
  readonly next: TiedPlace | null;
}

/**
 * The records of `system` that are tied to a run, oldest first, each once and by its strongest tie, held against leaf, row and open findings. In a
 * transaction with `inIndexOrder`.
 */
export async function readTied(deps: ReadDeps, tx: Tx, tenantId: string, asked: AskedTied): Promise<TiedPage> {
  const { places, next } = await findPlaces(tx, tenantId, asked);
  const open = await deps.openFindings(tx, tenantId);
  const records: TiedRecord[] = [];
  for (const { log } of asked.logs) {
    const ofLog = new Map(places.filter((found) => found.place.log === log).map((found) => [found.place.index, found]));
    if (ofLog.size === 0) continue;
    const origin = deps.originOf(tenantId, log);
    for (const stored of await readEntriesAt(tx, tenantId, { topic: 'system', log }, [...ofLog.keys()])) {
      const found = ofLog.get(stored.index);
      if (found === undefined) continue;
      const checked = heldAgainst(checkEntry(stored, 'system', origin), open);
      const tie =
        checked.kind === 'sound' ? found.ties.find((one) => asked.ties.isOf(one, checked.members)) : found.ties[0];
      if (tie !== undefined) records.push({ place: found.place, association: associationOf(tie), tie, checked });
    }
  }
  return { records: records.sort((a, b) => byTime(a.place, b.place)), next };
}

/** The logs of topic `system`, at their sizes now or those of a crawl's first page; one that was opened since is not part of it. */
export function systemPins({ sizes }: Pick<PinnedRun, 'sizes'>, cursor: Cursor | null): Pin[] {
  return sizes
    .filter(({ topic }) => topic === 'system')
    .map(({ log, size }) => ({ log, size: cursor === null ? size : Math.min(size, cursor.pins[log] ?? 0) }));
}

function associationOf(tie: Tie): Association {
  return tie === 'INSTANCE' || tie === 'HOST' || tie === 'SERVICE' ? 'CO_LOCATED' : 'CORRELATED';
}

interface FoundPlace {
  readonly place: TiedPlace;
  /** The strongest first. */
  readonly ties: readonly Tie[];
}

/** What all lanes have in all logs, up to where the first of them may have more. */
async function findPlaces(
  tx: Tx,
  tenantId: string,
  { ties, logs, window, after, limit }: AskedTied,
): Promise<{ readonly places: readonly FoundPlace[]; readonly next: TiedPlace | null }> {
  const found = new Map<string, { readonly place: TiedPlace; readonly ties: Tie[] }>();
  let end: TiedPlace | null = null;
  for (const { log, size } of logs) {
    for (const lane of ties.lanes) {
      const within = { ...lane, from: latest(lane.from, window?.from), before: earliest(lane.before, window?.before) };
      const of: FoundTied = await findTied(tx, tenantId, within, { log, below: size, after, limit: limit + 1 });
      for (const place of of.places) {
        const key = `${log} ${place.index}`;
        const known = found.get(key);
        if (known === undefined) found.set(key, { place, ties: [lane.tie] });
        else known.ties.push(lane.tie);
      }
      if (of.end !== null && (end === null || byTime(of.end, end) < 0)) end = of.end;
    }
  }
  for (const place of window === null ? await gapsOpen(tx, tenantId, { ties, logs }) : [])
    if (after === null || byTime(after, place) < 0)
      found.set(`${place.log} ${place.index}`, { place, ties: ['SERVICE'] });
  const upTo = end;
  const whole = [...found.values()]
    .filter(({ place }) => upTo === null || byTime(place, upTo) <= 0)
    .sort((a, b) => byTime(a.place, b.place));
  if (whole.length > limit) return { places: whole.slice(0, limit), next: whole[limit - 1]?.place ?? null };
  return { places: whole, next: upTo };
}

/** Of each gap that was open when the run began, Sworn's word that it opened: the newest one of its signal, in whichever log, says so. */
async function gapsOpen(
  tx: Tx,
  tenantId: string,
  { ties, logs }: Pick<AskedTied, 'ties' | 'logs'>,
): Promise<readonly TiedPlace[]> {
  const lane: TieLane | undefined = ties.lanes.find(({ tie }) => tie === 'SERVICE');
  if (lane === undefined) return [];
  const newest = new Map<number, GapWord>();
  // The oldest generation first: at one moment the newer one has the last word.
  for (const { log, size } of logs.toReversed())
    for (const word of await findGapsBefore(tx, tenantId, lane, { log, below: size })) {
      const known = newest.get(word.of);
      if (known === undefined || word.place.occurredAt >= known.place.occurredAt) newest.set(word.of, word);
    }
  return [...newest.values()].flatMap(({ place, isOpen }) => (isOpen ? [place] : []));
}

/** Of two times that are written alike, null being no bound. */
function latest(a: string | null, b: string | undefined): string | null {
  return a === null || (b !== undefined && b > a) ? (b ?? a) : a;
}

function earliest(a: string | null, b: string | undefined): string | null {
  return a === null || (b !== undefined && b < a) ? (b ?? a) : a;
}
