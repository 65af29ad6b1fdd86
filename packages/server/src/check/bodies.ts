import { hash } from 'node:crypto';
import { hex, hmacSha256, utf8 } from '@sworn/evidence';
import { type DataKey, extractKey, openCiphertext } from '../record/body.js';
import type { KeyStore } from '../record/keyStore.js';
import type { LogPlace } from '../store/checking.js';
import { readBody } from '../store/checkingLeaf.js';
import { type DataKeyRow, readDataKeysById } from '../store/dataKey.js';
import type { Breathe, Checking, Unwrapped } from './checking.js';
import type { Tell } from './finding.js';
import type { ReadLeaf } from './leaves.js';
import { isKeyId, Presence } from './presence.js';

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
  const presence = new Presence(checking, place, tell);
  const unopened = new Set<string>();
  for (const { row, said } of leaves) {
    const rest = at.breathe();
    if (rest !== null) await rest;
    const committed = said.object('c').object(PATH);
    const named = { ch: committed.text('ch'), dk: said.text('dk') };
    const { ch, dk } = named;
    const where = { ...place, index: row.index, table: 'leaf' };
    const conflict = duplicate === null || row.kind !== 'CONFLICT' ? null : conflictKey(duplicate, { row, said });
    if (conflict !== null && hex(conflict) !== said.text('event_key'))
      tell({ ...where, code: 'COLUMN_MISMATCH', expected: 'digest of the bytes as sent', found: 'another' });
    const isApart = row.body === null && row.bodySize !== null && ch !== null && dk !== null;
    const body = isApart ? await checking.ask((tx) => readBody(tx, place, row.index)) : row.body;
    const key = dk === null ? null : (keys.get(dk) ?? null);
    const found = { index: row.index, bodySize: isApart && body === null ? null : row.bodySize };
    if (!presence.isAsNamed(found, named, key !== null)) await presence.tell(found, named);
    if (ch === null || dk === null || body === null) continue;
    const hashed = hash('sha256', body, 'hex');
    if (hashed !== ch) {
      tell({ ...where, code: 'BODY_MISMATCH', expected: `a body of hash ${ch}`, found: hashed });
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
    const stored = { body, pc: committed.text('pc') ?? '', n: committed.count('n') ?? 0 };
    const opened = openCiphertext({ id: dk, prk: key.prk }, { origin, eventKey: row.eventKey, path: PATH }, stored);
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
  const wanted = ids.filter((id) => isKeyId(id) && !held.has(`${tenantId}/${id}`));
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
