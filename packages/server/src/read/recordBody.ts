import type { Members } from '@sworn/evidence';
import type { Finding } from '@sworn/contract';
import { type DataKey, openBody } from '../record/body.js';
import { KeyRefused } from '../record/keyFile.js';
import type { StoredLeaf } from '../store/runs.js';
import type { ReadDeps } from './reading.js';

/** A record that passed its check. */
export interface SoundRecord {
  readonly stored: Pick<StoredLeaf, 'log' | 'index' | 'eventKey' | 'dk'>;
  readonly members: Members;
}

/** What a body says, or that it is not what its leaf committed to. */
export type RecordBody =
  /** `salt` discloses the value to whoever is shown both. */
  | { readonly kind: 'open'; readonly value: Uint8Array; readonly salt: Uint8Array }
  | { readonly kind: 'compromised'; readonly finding: Finding };

/**
 * Opens bodies of records of one log, by leaf index. Check V8 on each. To be called outside any transaction: it asks for the keys with a connection of
 * its own, and readers that wait for a second one while they hold a first wait for each other.
 */
export async function openBodies(
  deps: Pick<ReadDeps, 'originOf' | 'dataKeys'>,
  tenantId: string,
  records: readonly SoundRecord[],
  bodies: ReadonlyMap<number, Uint8Array>,
): Promise<ReadonlyMap<number, RecordBody>> {
  const keys = await openKeys(deps, tenantId, [...new Set(records.flatMap(({ stored }) => stored.dk ?? []))]);
  const opened = new Map<number, RecordBody>();
  for (const { stored, members } of records) {
    const origin = deps.originOf(tenantId, stored.log);
    const body = bodies.get(stored.index);
    const key = keys.get(stored.dk ?? '');
    // Nothing erases bodies yet, so no ERASURE leaf can name one: what is gone was taken away by hand.
    if (body === undefined || key === undefined) {
      const detail = body === undefined ? 'the body is gone' : 'the key of the body is gone, or another';
      opened.set(stored.index, compromised(stored, 'V5', 'BODY_MISSING_UNAUTHORISED', detail));
      continue;
    }
    const said = members.object('c').object('body');
    const commitment = { pc: said.text('pc') ?? '', ch: said.text('ch') ?? '', n: said.count('n') ?? 0 };
    const read = openBody(key, { origin, eventKey: stored.eventKey, path: 'body' }, { body, ...commitment });
    opened.set(
      stored.index,
      read.kind === 'open'
        ? read
        : compromised(stored, 'V8', 'BODY_MISMATCH', `the body does not agree with its leaf: ${read.check}`),
    );
  }
  return opened;
}

function compromised(
  { log, index }: SoundRecord['stored'],
  check: Finding['check'],
  code: Finding['code'],
  detail: string,
): RecordBody {
  return { kind: 'compromised', finding: { check, code, log, leaf_index: index, detail } };
}

/** The keys of these ids. One that does not unwrap was swapped or lost: the others still open. */
async function openKeys(
  deps: Pick<ReadDeps, 'dataKeys'>,
  tenantId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, DataKey>> {
  if (ids.length === 0) return new Map();
  try {
    return await deps.dataKeys.open(tenantId, ids);
  } catch (error) {
    if (!(error instanceof KeyRefused)) throw error;
    if (ids.length === 1) return new Map();
    const one = await Promise.all(ids.map((id) => openKeys(deps, tenantId, [id])));
    return new Map(one.flatMap((keys) => [...keys]));
  }
}
