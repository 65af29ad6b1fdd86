import { randomBytes, randomUUID } from 'node:crypto';
import {
  type DataKeyRow,
  insertDataKeys,
  readDataKeysById,
  readDataKeysByScope,
  readDataKeysOutside,
  rewrapDataKeys,
} from '../store/dataKey.js';
import { type Database, inTenant } from '../store/database.js';
import { type DataKey, extractKey } from './body.js';
import { KEY_BYTES, KeyRefused } from './keyFile.js';
import type { KeyStore } from './keyStore.js';

/** Data keys held in memory for writing, oldest use first out: about 20 MB, and a minute of new traces at 1,000 a second. */
const KEYS_HELD = 65_536;
/** Data keys made in one transaction: of a request of a hundred thousand traces all others would wait for their wrapping. */
const MADE_AT_ONCE = 4_096;
/** Data keys re-wrapped in one transaction. */
const REWRAP_CHUNK = 1_000;
/**
 * Time after an epoch's end in which its key stays: a process whose clock trails, or whose insert is still on its way, may just
 * have wrapped under it.
 */
const EPOCH_GRACE_MS = 3_600_000;

/** What a data key is for, as hex of its `scope` column. Made by `traceScope` and `dayScope` only. */
export type KeyScope = string & { readonly brand: 'KeyScope' };

/** The key of one trace: kind 01 ‖ trace id[16]. */
export function traceScope(traceId: Uint8Array): KeyScope {
  return `01${Buffer.from(traceId.buffer, traceId.byteOffset, traceId.byteLength).toString('hex')}` as KeyScope;
}

/** The key of what belongs to no trace: kind 02 ‖ log ‖ 00 ‖ actor token or nothing ‖ 00 ‖ UTC day (`2026-11-25`, or nothing). */
export function dayScope(log: string, actorToken: string | null, day: string): KeyScope {
  return `02${Buffer.from(`${log}\0${actorToken ?? ''}\0${day}`).toString('hex')}` as KeyScope;
}

/** The data keys of all tenants, for one database role. */
export interface DataKeys {
  /**
   * The keys of these scopes, made where there are none. Each is durable in a transaction of its own before this resolves, so
   * nothing is ever encrypted under a key that a crash could lose.
   */
  forScopes(tenantId: string, scopes: Iterable<KeyScope>): Promise<ReadonlyMap<KeyScope, DataKey>>;
  /** The keys of these ids, read anew each time so that an erased key is gone at once; an erased one is absent. */
  open(tenantId: string, ids: readonly string[]): Promise<ReadonlyMap<string, DataKey>>;
  /** Re-wraps the tenant's living keys under the current epoch, then destroys older epochs' keys. To be called daily, by one process. */
  rewrapEpoch(tenantId: string): Promise<Rewrapped>;
}

/** What a turn of the epoch did. `lost`: rows that open under no key we have, which are lost already and hold nothing up. */
export interface Rewrapped {
  readonly count: number;
  readonly lost: readonly string[];
}

/** What data keys need. `role`: writer for ingest, recorder for Sworn's own records, reader to open only. */
export interface DataKeysDeps {
  readonly db: Database;
  readonly keyStore: KeyStore;
  readonly role: 'writer' | 'recorder' | 'reader';
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Scopes of one tenant that wait for the transaction in flight to end; they share the next one. */
interface Gathering {
  readonly scopes: Set<KeyScope>;
  readonly made: Promise<ReadonlyMap<KeyScope, DataKey>>;
}

export function createDataKeys({ db, keyStore, role, now }: DataKeysDeps): DataKeys {
  const held = new Map<string, DataKey>();
  const inFlight = new Map<string, Promise<unknown>>();
  const gathering = new Map<string, Gathering>();

  async function forScopes(tenantId: string, scopes: Iterable<KeyScope>): Promise<ReadonlyMap<KeyScope, DataKey>> {
    const found = new Map<KeyScope, DataKey>();
    const missing = new Set<KeyScope>();
    for (const scope of scopes) {
      const name = `${tenantId}/${scope}`;
      const key = held.get(name);
      if (key === undefined) {
        missing.add(scope);
        continue;
      }
      held.delete(name);
      held.set(name, key);
      found.set(scope, key);
    }
    if (missing.size === 0) return found;
    const made = await gather(tenantId, missing);
    for (const scope of missing) found.set(scope, keyOf(made, scope));
    return found;
  }

  /** One transaction a tenant at a time: requests that come meanwhile share the next one, and its fsync. */
  function gather(tenantId: string, missing: ReadonlySet<KeyScope>): Promise<ReadonlyMap<KeyScope, DataKey>> {
    const open = gathering.get(tenantId);
    if (open !== undefined) {
      for (const scope of missing) open.scopes.add(scope);
      return open.made;
    }
    const scopes = new Set(missing);
    const made = (inFlight.get(tenantId) ?? Promise.resolve()).then(async () => {
      gathering.delete(tenantId);
      const all = [...scopes];
      const keys = new Map<KeyScope, DataKey>();
      for (let from = 0; from < all.length; from += MADE_AT_ONCE) {
        for (const [scope, key] of await make(tenantId, all.slice(from, from + MADE_AT_ONCE))) {
          hold(`${tenantId}/${scope}`, key);
          keys.set(scope, key);
        }
      }
      return keys;
    });
    gathering.set(tenantId, { scopes, made });
    const settled = made.then(ignore, ignore).then(() => {
      if (inFlight.get(tenantId) === settled) inFlight.delete(tenantId);
    });
    inFlight.set(tenantId, settled);
    return made;
  }

  async function make(tenantId: string, scopes: readonly KeyScope[]): Promise<Map<KeyScope, DataKey>> {
    const drafts = scopes.map((scope) => ({ scope, dk: randomUUID(), key: randomBytes(KEY_BYTES) }));
    const wrapped = await keyStore.wrap(tenantId, drafts);
    const rows = drafts.map(({ scope, dk }, at) => ({ dk, scope: Buffer.from(scope, 'hex'), ...itemAt(wrapped, at) }));
    const { inserted, others } = await inTenant(db, role, tenantId, async (tx) => {
      const ours = await insertDataKeys(tx, tenantId, rows);
      const taken = rows.filter((row) => !ours.has(row.dk)).map((row) => row.scope);
      return { inserted: ours, others: taken.length === 0 ? [] : await readDataKeysByScope(tx, tenantId, taken) };
    });
    const keys = new Map<KeyScope, DataKey>();
    for (const { scope, dk, key } of drafts) {
      if (inserted.has(dk)) keys.set(scope, { id: dk, prk: extractKey(key) });
    }
    for (const row of others) {
      const key = await keyStore.unwrap(tenantId, row.dk, row);
      keys.set(Buffer.from(row.scope).toString('hex') as KeyScope, { id: row.dk, prk: extractKey(key) });
    }
    return keys;
  }

  function hold(name: string, key: DataKey): void {
    if (held.size >= KEYS_HELD) {
      const oldest = held.keys().next();
      if (!oldest.done) held.delete(oldest.value);
    }
    held.set(name, key);
  }

  async function open(tenantId: string, ids: readonly string[]): Promise<ReadonlyMap<string, DataKey>> {
    const rows = await inTenant(db, role, tenantId, (tx) => readDataKeysById(tx, tenantId, [...new Set(ids)]));
    const keys = new Map<string, DataKey>();
    for (const row of rows)
      keys.set(row.dk, { id: row.dk, prk: extractKey(await keyStore.unwrap(tenantId, row.dk, row)) });
    return keys;
  }

  async function rewrapEpoch(tenantId: string): Promise<Rewrapped> {
    const epoch = keyStore.currentEpoch();
    const lost: string[] = [];
    let count = 0;
    let after: string | null = null;
    for (;;) {
      const from: string | null = after;
      const rows: DataKeyRow[] = await inTenant(db, role, tenantId, (tx) =>
        readDataKeysOutside(tx, tenantId, epoch, from, REWRAP_CHUNK),
      );
      const last = rows.at(-1);
      if (last === undefined) break;
      const living = [];
      for (const row of rows) {
        const key = await openRow(tenantId, row);
        if (key === null) lost.push(row.dk);
        else living.push({ dk: row.dk, fromEpoch: row.epoch, key });
      }
      const wrapped = await keyStore.wrap(tenantId, living);
      const moves = living.map(({ dk, fromEpoch }, at) => ({ dk, fromEpoch, ...itemAt(wrapped, at) }));
      await inTenant(db, role, tenantId, (tx) => rewrapDataKeys(tx, tenantId, moves));
      count += moves.length;
      after = last.dk;
    }
    // The grace is over when the clock of an hour ago is already in this epoch.
    if (keyStore.epochAt(now() - EPOCH_GRACE_MS) === epoch) {
      for (const old of await keyStore.epochs(tenantId)) {
        if (old < epoch) await keyStore.destroyEpoch(tenantId, old);
      }
    }
    return { count, lost };
  }

  /** A row that a superuser put there opens under no key; it must not keep an old epoch alive for ever. */
  async function openRow(tenantId: string, row: DataKeyRow): Promise<Uint8Array | null> {
    try {
      return await keyStore.unwrap(tenantId, row.dk, row);
    } catch (error) {
      if (error instanceof KeyRefused && (error.code === 'wrong_key' || error.code === 'missing')) return null;
      throw error;
    }
  }

  return { forScopes, open, rewrapEpoch };
}

function keyOf(keys: ReadonlyMap<KeyScope, DataKey>, scope: KeyScope): DataKey {
  const key = keys.get(scope);
  if (key === undefined) throw new Error('a data key was erased while it was made');
  return key;
}

function itemAt<T>(items: readonly T[], at: number): T {
  const item = items[at];
  if (item === undefined) throw new Error('fewer wrapped keys than keys');
  return item;
}

function ignore(): void {}
