import { createHmac, timingSafeEqual } from 'node:crypto';
import { invalidParameter } from '../access/refusal.js';

/** Where a page ended, and what it was a page of. */
export interface Cursor {
  /** Sizes of the logs that were read, by stored name; empty for a tail. */
  readonly pins: Readonly<Record<string, number>>;
  /** The last item's place; its meaning is the endpoint's own. */
  readonly position: readonly (string | number)[];
}

/** What a cursor belongs to: another query's or tenant's cursor is refused. */
export interface CursorScope {
  readonly key: Uint8Array;
  readonly tenantId: string;
  /** Endpoint and path. */
  readonly of: readonly string[];
  /** Not limit, not cursor. In any order: a client may write its parameters anew for each page. */
  readonly filters: Readonly<Record<string, string | number | boolean | undefined>>;
}

const MAC_BYTES = 16;

/** Opaque text: JSON and an HMAC over it, the tenant and the query. */
export function sealCursor(scope: CursorScope, cursor: Cursor): string {
  const body = Buffer.from(JSON.stringify([cursor.pins, cursor.position]), 'utf8');
  return Buffer.concat([macOf(scope, body), body]).toString('base64url');
}

/** @throws Refusal `invalid_parameter` naming `cursor`. */
export function openCursor(scope: CursorScope, text: string): Cursor {
  const bytes = Buffer.from(text, 'base64url');
  const body = bytes.subarray(MAC_BYTES);
  if (bytes.length <= MAC_BYTES || !timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(scope, body))) {
    throw invalidParameter('cursor', 'is not a cursor of this query');
  }
  const [pins, position] = JSON.parse(body.toString('utf8')) as [Cursor['pins'], Cursor['position']];
  return { pins, position };
}

function macOf({ key, tenantId, of, filters }: CursorScope, body: Uint8Array): Buffer {
  const inOrder = Object.entries(filters).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const context = JSON.stringify(['sworn.cursor/1', tenantId, of, inOrder]);
  return createHmac('sha256', key).update(context).update('\0').update(body).digest().subarray(0, MAC_BYTES);
}
