import { randomUUID } from 'node:crypto';
import type { Topic } from '@sworn/evidence';
import type { Appended, LeafDraft } from '../record/draft.js';
import { ownLeaf } from '../record/ownLeaf.js';
import { countLivingKeys, insertApiKey, markRevoked, readApiKeys } from '../store/apiKey.js';
import { type Database, inTenant } from '../store/database.js';
import { apiKeyMac, formatApiKey, makeApiKey } from './apiKey.js';
import type { KeyRole } from './credential.js';
import { KEY_TOPICS, type KeyBounds, UNBOUNDED } from './keyBounds.js';
import { present } from './accessRecord.js';
import { isKeyProven, keyFields, type ProofDeps } from './directory.js';
import { readQuotas } from './quotas.js';

/** Days a key lives unless told otherwise, and at most. */
const KEY_DAYS = 90;
const MAX_KEY_DAYS = 3_650;
const DAY_MS = 86_400_000;
/** Bounds of what stands in a leaf: lists ≤ 64, names short. */
const MAX_NAMES = 64;
const NAME = /^[A-Za-z0-9][A-Za-z0-9 ._:/@+#-]{0,127}$/;

/** What a new key should be. */
export interface KeyRequest {
  readonly tenantId: string;
  readonly role: KeyRole;
  /** e.g. `ingest:assert`. */
  readonly scopes?: readonly string[];
  /** Service names an ingest key is bound to; none: any. */
  readonly services?: readonly string[];
  readonly label?: string | null;
  /** Milliseconds from now; `KEY_DAYS` unless told otherwise. */
  readonly livesMs?: number;
  /** Of a key that reads; none unless told otherwise. */
  readonly bounds?: KeyBounds;
}

/** A key at the only moment its text exists here. */
export interface IssuedKey {
  readonly keyId: string;
  /** `swk_…`: shown once, never stored. */
  readonly key: string;
  readonly expiresAt: string;
}

/** A key as lists show it. */
export interface ListedKey extends KeyBounds {
  readonly keyId: string;
  readonly role: KeyRole;
  readonly scopes: readonly string[];
  readonly services: readonly string[];
  readonly label: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly revokedAt: string | null;
  /** False: the row is not what its `control` leaf says, and the key opens nothing. */
  readonly proven: boolean;
}

/** Keys of tenants. Each change is a `control` leaf first and a row second: a crash between leaves a leaf without a key, never a key without a leaf. */
export interface Keys {
  /** @throws RangeError for scopes, services, bounds or a life that no key has, and where the tenant has as many living keys as it may. */
  issue(request: KeyRequest): Promise<IssuedKey>;
  list(tenantId: string): Promise<readonly ListedKey[]>;
  /** Dead everywhere within 5 seconds. Returns false when the tenant has no such key. */
  revoke(tenantId: string, keyId: string): Promise<boolean>;
}

/** Appends Sworn's own leaves, through the recorder's sequencer. */
export type Append = (tenantId: string, drafts: readonly LeafDraft[]) => Promise<readonly Appended[]>;

/** What keys and tenants need. */
export interface DirectoryDeps extends ProofDeps {
  readonly db: Database;
  readonly append: Append;
  /** Origin of the tenant's open log of a topic, generation included. */
  readonly openOriginOf: (tenantId: string, topic: Topic) => string;
  readonly pepper: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export function createKeys(deps: DirectoryDeps): Keys {
  const { db, append, openOriginOf, pepper, directoryKey, now } = deps;
  async function issue(request: KeyRequest): Promise<IssuedKey> {
    const { tenantId, role, bounds = UNBOUNDED } = request;
    demandBounds(role, bounds);
    const scopes = names('scope', request.scopes);
    const services = names('service', request.services);
    const livesMs = request.livesMs ?? KEY_DAYS * DAY_MS;
    if (!(livesMs > 0 && livesMs <= MAX_KEY_DAYS * DAY_MS))
      throw new RangeError(`a key lives at most ${MAX_KEY_DAYS} days`);
    await demandRoomForKey(tenantId);
    const key = makeApiKey(tenantId);
    const keyId = randomUUID();
    const row = {
      keyId,
      role,
      scopes,
      services,
      secretMac: apiKeyMac(pepper, key),
      expiresAt: timestamp(now() + livesMs),
      ...bounds,
    };
    const [appended] = await append(tenantId, [
      ownLeaf({
        topic: 'control',
        origin: openOriginOf(tenantId, 'control'),
        kind: 'KEY_CREATED',
        identity: [keyId],
        occurredAt: timestamp(now()),
        fields: present(keyFields(row)),
        vouchedBy: directoryKey,
        projection: { table: 'control_records', kind: 'KEY_CREATED', subject: keyId },
      }),
    ]);
    const controlIndex = indexOf(appended);
    await inTenant(db, 'recorder', tenantId, (tx) =>
      insertApiKey(tx, tenantId, { ...row, label: request.label ?? null }, controlIndex),
    );
    return { keyId, key: formatApiKey(key), expiresAt: row.expiresAt };
  }

  /** Two at once may both find the last place: a quota of keys keeps order, and is no wall. */
  async function demandRoomForKey(tenantId: string): Promise<void> {
    const [{ keys }, living] = await inTenant(
      db,
      'reader',
      tenantId,
      async (tx) =>
        [await readQuotas(deps, tx, tenantId), await countLivingKeys(tx, tenantId, timestamp(now()))] as const,
      { readOnly: true },
    );
    if (keys !== null && living >= keys)
      throw new RangeError(
        `the tenant has ${living} living keys and may have ${keys}: revoke one (sworn key list, sworn key revoke), or allow more (sworn tenant quota)`,
      );
  }

  async function list(tenantId: string): Promise<readonly ListedKey[]> {
    return inTenant(
      db,
      'reader',
      tenantId,
      async (tx) => {
        const listed: ListedKey[] = [];
        for (const row of await readApiKeys(tx, tenantId)) {
          const { secretMac: _, ...shown } = row;
          listed.push({ ...shown, proven: row.revokedAt !== null || (await isKeyProven(deps, tx, tenantId, row)) });
        }
        return listed;
      },
      { readOnly: true },
    );
  }

  async function revoke(tenantId: string, keyId: string): Promise<boolean> {
    const known = await inTenant(db, 'reader', tenantId, (tx) => readApiKeys(tx, tenantId), { readOnly: true });
    if (!known.some((key) => key.keyId === keyId)) return false;
    await append(tenantId, [
      ownLeaf({
        topic: 'control',
        origin: openOriginOf(tenantId, 'control'),
        kind: 'KEY_REVOKED',
        identity: [keyId],
        occurredAt: timestamp(now()),
        fields: { key_id: keyId },
        vouchedBy: directoryKey,
        projection: { table: 'control_records', kind: 'KEY_REVOKED', subject: keyId },
      }),
    ]);
    return inTenant(db, 'recorder', tenantId, (tx) => markRevoked(tx, tenantId, keyId));
  }

  return { issue, list, revoke };
}

/** Milliseconds since 1970 as RFC 3339 with six digits. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, -1)}000Z`;
}

/** The index of the one leaf that was appended. */
export function indexOf(appended: Appended | undefined): number {
  if (appended === undefined) throw new Error('the sequencer answered for no leaf');
  return appended.index;
}

function demandBounds(role: KeyRole, bounds: KeyBounds): void {
  const { topics, occurredFrom, occurredBefore } = bounds;
  const isBounded = Object.values(bounds).some((bound) => bound !== null);
  if (role === 'ingest' && isBounded) throw new RangeError('a key that writes sees nothing that could be bounded');
  if (topics !== null && (topics.length === 0 || topics.length !== new Set(topics).size))
    throw new RangeError(`topics are some of ${KEY_TOPICS.join(', ')}, each once`);
  if (occurredFrom !== null && occurredBefore !== null && occurredFrom >= occurredBefore)
    throw new RangeError('the range of a key ends after it begins');
}

function names(what: string, given: readonly string[] | undefined): readonly string[] {
  const list = given ?? [];
  if (list.length > MAX_NAMES) throw new RangeError(`at most ${MAX_NAMES} names of a ${what}`);
  for (const name of list)
    if (!NAME.test(name)) throw new RangeError(`not a name of a ${what}: ${JSON.stringify(name)}`);
  return list;
}
