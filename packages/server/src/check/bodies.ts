import { hash } from 'node:crypto';
import { hex, hmacSha256, utf8 } from '@sworn/evidence';
import { type DataKey, extractKey, openBody } from '../record/body.js';
import type { KeyStore } from '../record/keyStore.js';
import { type LogPlace, readBody } from '../store/checking.js';
import { type DataKeyRow, readDataKeysById } from '../store/dataKey.js';
import type { Breathe, Checking, Unwrapped } from './checking.js';
import { type Excuses, mayBeGone, readExcuses } from './excuses.js';
import type { Tell } from './finding.js';
import type { ReadLeaf } from './leaves.js';

/** Path of the only body a leaf has. */
const PATH = 'body';

/**
 * Checks V5 and V8 for the bodies of a chunk: each is there or was proven to be removed, is the ciphertext that its leaf names, and, where `open`,
 * opens under its key to the value that was committed to.
 */
export async function checkBodies(
  checking: Checking,
  at: { readonly place: LogPlace; readonly origin: string; readonly open: boolean; readonly breathe: Breathe },
  leaves: readonly ReadLeaf[],
  tell: Tell,
): Promise<void> {
  const { place, origin } = at;
  const ids = new Set<string>();
  for (const { said } of leaves) {
    const dk = said.text('dk');
    if (dk !== null) ids.add(dk);
  }
  const keys = await keysOf(checking, place.tenantId, [...ids]);
  const duplicate = at.open ? await duplicateKey(checking.keyStore, place.tenantId) : null;
  let excuses: Excuses | null = null;
  const unopened = new Set<string>();
  for (const { row, said } of leaves) {
    const rest = at.breathe();
    if (rest !== null) await rest;
    const committed = said.object('c').object(PATH);
    const ch = committed.text('ch');
    const dk = said.text('dk');
    const where = { ...place, index: row.index, table: 'leaf' };
    const conflict = duplicate === null || row.kind !== 'CONFLICT' ? null : conflictKey(duplicate, { row, said });
    if (conflict !== null && hex(conflict) !== said.text('event_key'))
      tell({ ...where, code: 'COLUMN_MISMATCH', expected: 'digest of the bytes as sent', found: 'another' });
    if (ch === null || dk === null) {
      if (row.bodySize !== null)
        tell({ ...where, code: 'STRAY_BODY', expected: 'no body', found: 'one that the leaf does not name' });
      continue;
    }
    const key = keys.get(dk) ?? null;
    const isApart = row.body === null && row.bodySize !== null;
    const body = isApart ? await checking.ask((tx) => readBody(tx, place, row.index)) : row.body;
    if (body === null || key === null) {
      excuses ??= await readExcuses(checking, place.tenantId);
      const isExcused = excuses.erasedKeys.has(dk) || mayBeGone(excuses, place, row.index);
      if (body === null && !isExcused)
        tell({
          ...where,
          code: 'BODY_MISSING_UNAUTHORISED',
          expected: `a body of hash ${ch}`,
          found: 'none, and no proven removal',
        });
      else if (key === null && !isExcused)
        tell({
          ...where,
          table: 'data_key',
          code: 'KEY_MISSING_UNAUTHORISED',
          expected: `data key ${dk}`,
          found: 'none, and no proven removal',
        });
    }
    if (body === null) continue;
    const found = hash('sha256', body, 'hex');
    if (found !== ch) {
      tell({ ...where, code: 'BODY_MISMATCH', expected: `a body of hash ${ch}`, found });
      continue;
    }
    if (key === null || !at.open) continue;
    if (key.prk === null) {
      if (!unopened.has(dk))
        tell({
          ...where,
          table: 'data_key',
          code: 'KEY_DOES_NOT_OPEN',
          expected: `data key ${dk} under the tenant's key`,
          found: 'another',
        });
      unopened.add(dk);
      continue;
    }
    const stored = { body, ch, pc: committed.text('pc') ?? '', n: committed.count('n') ?? 0 };
    const opened = openBody({ id: dk, prk: key.prk }, { origin, eventKey: row.eventKey, path: PATH }, stored);
    if (opened.kind === 'damaged')
      tell({
        ...where,
        code: 'COMMITMENT_MISMATCH',
        expected: 'a body that opens to what was committed',
        found: opened.check === 'key' ? 'one that does not open' : 'another value',
      });
    else if (duplicate !== null && digestOf(duplicate, { row, said }, opened.value)?.equals(row.digest) === false)
      tell({ ...where, code: 'COLUMN_MISMATCH', expected: 'digest of the bytes as sent', found: 'another' });
  }
}

/** Event key of a CONFLICT, which is made of its digest and of the key of its step; of a log record's, which names that key. */
function conflictKey(duplicate: Uint8Array, { row, said }: Pick<ReadLeaf, 'row' | 'said'>): Uint8Array {
  const step = `${said.text('trace_id') ?? ''}${said.text('span_id') ?? ''}`;
  const first = Buffer.from(said.text('first_key') ?? step, 'hex');
  return hmacSha256(duplicate, utf8('CONFLICT\0'), first, row.digest);
}

/** Digest of what a producer sent, where redaction took nothing, so that the body is what was sent. Null: it cannot be told. */
function digestOf(
  duplicate: Uint8Array,
  { row, said }: Pick<ReadLeaf, 'row' | 'said'>,
  value: Uint8Array,
): Buffer | null {
  // A leaf that its list of removals did not fit in counts them.
  const isRedacted = said.objects('redacted').length > 0 || said.count('redacted_more') !== null;
  if (said.text('by') !== 'producer' || isRedacted || row.kind === 'CONFLICT') return null;
  return Buffer.from(hmacSha256(duplicate, value));
}

/** The data keys of these ids that are there, unwrapped. */
async function keysOf(
  checking: Checking,
  tenantId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Unwrapped>> {
  const held = checking.keys;
  const wanted = ids.filter((id) => !held.has(`${tenantId}/${id}`));
  if (wanted.length > 0) {
    const rows = await checking.ask((tx) => readDataKeysById(tx, tenantId, wanted));
    if (held.size > KEYS_HELD) held.clear();
    for (const row of rows) held.set(`${tenantId}/${row.dk}`, { prk: await unwrap(checking.keyStore, tenantId, row) });
  }
  return new Map(
    ids.flatMap((id): [string, Unwrapped][] => {
      const key = held.get(`${tenantId}/${id}`);
      return key === undefined ? [] : [[id, key]];
    }),
  );
}

/** Keys kept between chunks, some 20 MB: a trace's leaves lie close to one another. */
const KEYS_HELD = 65_536;

async function unwrap(keyStore: KeyStore, tenantId: string, row: DataKeyRow): Promise<DataKey['prk'] | null> {
  try {
    return extractKey(await keyStore.unwrap(tenantId, row.dk, row));
  } catch {
    return null;
  }
}

async function duplicateKey(keyStore: KeyStore, tenantId: string): Promise<Uint8Array | null> {
  try {
    return (await keyStore.tenant(tenantId)).duplicate;
  } catch {
    return null;
  }
}
