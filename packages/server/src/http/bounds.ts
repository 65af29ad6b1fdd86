import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Endpoint } from '@sworn/contract';
import { invalidParameter, Refusal } from '../access/refusal.js';
import type { Grant } from '../access/ruling.js';
import { filterTime, microsecondsOf, timeOfMicroseconds } from '../read/time.js';
import { withinKey } from './keyRange.js';
import type { QueryValues } from './query.js';

/** What bounding a query needs. */
export interface BoundDeps {
  readonly cursorKey: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A query within the bounds of its rule and key. */
export interface Bounded {
  readonly query: QueryValues;
  /** Makes the cursor of a page one that the client may hand on. */
  readonly handOut: (cursor: string) => string;
}

const DAY_MS = 86_400_000;
const MAC_BYTES = 16;
/** Of base64url: a MAC, and eight bytes of microseconds. */
const WINDOW_CHARACTERS = ((MAC_BYTES + 8) * 4) / 3;

/**
 * Holds a query against what its rule and key say: `limit` up to `max_rows`; of a list at most `max_range_days`, the last so many where none are asked for.
 * @throws Refusal `invalid_parameter` for a limit, `permission_denied` for a range and for content, each naming the rule
 */
export function bounded(
  deps: BoundDeps,
  asked: { readonly endpoint: Endpoint; readonly grant: Grant; readonly query: QueryValues },
): Bounded {
  const { query, handOut } = byRule(deps, asked);
  return { query: withinKey(asked.endpoint, asked.grant, query), handOut };
}

function byRule(deps: BoundDeps, { endpoint, grant, query }: Parameters<typeof bounded>[1]): Bounded {
  if (query['fields'] === 'io' && grant.payloads !== 'full') throw withheld(grant);
  const rows = withRows(query, endpoint, grant);
  const days = grant.rule.maxRangeDays;
  if (days === null || endpoint.shape !== 'list' || !('recorded_after' in endpoint.query.properties))
    return { query: rows, handOut: (cursor) => cursor };
  return withRange(deps, rows, grant, days);
}

function withheld({ rule, payloads }: Grant): Refusal {
  const detail = `${rule.id} shows no inputs and outputs (payloads: ${payloads}): leave it out`;
  return new Refusal('permission_denied', `fields: ${detail}`, {
    rule: rule.id,
    errors: [{ parameter: 'fields', detail }],
  });
}

function withRows(query: QueryValues, endpoint: Endpoint, { rule }: Grant): QueryValues {
  const schema: { readonly default?: number } | undefined = endpoint.query.properties['limit'];
  if (rule.maxRows === null || schema === undefined) return query;
  const { limit } = query;
  if (typeof limit === 'number' && limit > rule.maxRows)
    throw invalidParameter('limit', `${rule.id} allows at most ${rule.maxRows}`);
  return limit === undefined && (schema.default ?? 0) > rule.maxRows ? { ...query, limit: rule.maxRows } : query;
}

function withRange(deps: BoundDeps, query: QueryValues, grant: Grant, days: number): Bounded {
  const plain = (cursor: string): string => cursor;
  const widest = days * DAY_MS * 1000;
  const ranges = (['occurred', 'recorded'] as const).flatMap((by) => {
    const at = (name: string) =>
      typeof query[name] === 'string' ? microsecondsOf(filterTime(name, query[name])) : null;
    const [after, before] = [at(`${by}_after`), at(`${by}_before`)];
    return after === null && before === null ? [] : [{ by, after, before }];
  });
  if (ranges.length === 0) return lastDays(deps, query, grant, widest);
  const added: Record<string, string> = {};
  // An open end counts to the beginning of this day: or a crawl could outgrow its own range.
  const today = Math.floor(deps.now() / DAY_MS) * DAY_MS * 1000;
  for (const { by, after, before } of ranges) {
    if (after === null) added[`${by}_after`] = timeOfMicroseconds((before ?? 0) - widest);
    else if ((before ?? today) - after > widest) throw tooWide(grant, by, days);
  }
  return { query: { ...query, ...added }, handOut: plain };
}

function tooWide({ rule }: Grant, by: string, days: number): Refusal {
  const detail = `spans more than the ${days} days that ${rule.id} allows: set ${by}_before, or a later ${by}_after`;
  return new Refusal('permission_denied', `${by}_after: ${detail}`, {
    rule: rule.id,
    errors: [{ parameter: `${by}_after`, detail }],
  });
}

/** Where the last days begin moves on; a crawl keeps to where its first page began, which its cursor says, under our MAC. */
function lastDays(deps: BoundDeps, query: QueryValues, grant: Grant, widest: number): Bounded {
  const { cursor: handed } = query;
  const cursor = typeof handed === 'string' ? handed.slice(WINDOW_CHARACTERS) : undefined;
  const after = typeof handed === 'string' ? openWindow(deps, grant, handed) : Math.floor(deps.now() * 1000) - widest;
  return {
    query: { ...query, recorded_after: timeOfMicroseconds(after), ...(cursor !== undefined && { cursor }) },
    handOut: (next) => sealWindow(deps, grant, after, next),
  };
}

function sealWindow(deps: BoundDeps, grant: Grant, after: number, cursor: string): string {
  const micros = Buffer.alloc(8);
  micros.writeBigInt64BE(BigInt(after));
  return Buffer.concat([macOf(deps, grant, micros, cursor), micros]).toString('base64url') + cursor;
}

function openWindow(deps: BoundDeps, grant: Grant, handed: string): number {
  const bytes = Buffer.from(handed.slice(0, WINDOW_CHARACTERS), 'base64url');
  const micros = bytes.subarray(MAC_BYTES);
  const mac = macOf(deps, grant, micros, handed.slice(WINDOW_CHARACTERS));
  if (micros.length !== 8 || !timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac))
    throw invalidParameter('cursor', 'is not a cursor of this query');
  return Number(micros.readBigInt64BE());
}

function macOf({ cursorKey }: BoundDeps, { tenantId, rule }: Grant, micros: Uint8Array, cursor: string): Buffer {
  const context = JSON.stringify(['sworn.window/1', tenantId, rule.id, cursor]);
  return createHmac('sha256', cursorKey).update(context).update('\0').update(micros).digest().subarray(0, MAC_BYTES);
}
