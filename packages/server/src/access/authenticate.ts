import { timingSafeEqual } from 'node:crypto';
import { hex } from '@sworn/evidence';
import { type ApiKeyRow, findApiKey, findApiKeyById } from '../store/apiKey.js';
import { type Database, inTenant, type Tx } from '../store/database.js';
import { readTenant } from '../store/tenant.js';
import { type ApiKey, apiKeyMac, parseApiKey } from './apiKey.js';
import type { Credential, KeyCredential, KeyRole, Permission } from './credential.js';
import { createGate } from './gate.js';
import { isKeyProven, isTenantProven, type ProofDeps } from './directory.js';
import { presentedCredential, type RequestHeaders } from './presented.js';
import { Refusal } from './refusal.js';

/**
 * Verifies the credential of a request; `source` is the address it came from.
 * @throws Refusal `not_authenticated`, `credential_expired`, `ambiguous_credential`, `tenant_required`.
 */
export type Authenticate<C extends Credential = Credential> = (headers: RequestHeaders, source: string) => Promise<C>;

/** What verifying needs. */
export interface AuthenticatorDeps extends ProofDeps {
  readonly db: Database;
  /** Not in the database: a dump of it holds no key that could be tried. */
  readonly pepper: Uint8Array;
  /** What keys of a role may do, by the rules. */
  readonly permissionsOf: (role: KeyRole) => ReadonlySet<Permission>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds of a clock that nobody sets; the process’s own unless told otherwise. By it answers grow old. */
  readonly monotonicMs?: () => number;
}

/** Milliseconds an answer of the database about a key is believed, yes or no: a revoked key is dead everywhere within this time. */
const KEY_CACHE_MS = 5_000;
/** Verified keys held, about 500 bytes each; the one loaded longest ago goes first. Unknown keys are held elsewhere: a flood of them evicts nothing. */
const KEYS_HELD = 10_000;
/** Unknown keys held, about 200 bytes each. */
const REFUSED_HELD = 10_000;
/** Keys never verified here that are looked up at a time: two of the connections for credentials, so that guessing leaves the others to keys that are known. */
const STRANGERS_AT_ONCE = 2;
/** Such keys that wait for their turn, about a tenth of a second; one more is told to come again. */
const STRANGERS_WAITING = 256;

interface Answered {
  /** Null: unknown or revoked. */
  readonly credential: KeyCredential | null;
  readonly askedAt: number;
}

/** An authenticator for API keys, for ingest and facade alike. @throws Refusal `unavailable` too, while more unknown keys are tried than can be looked up. */
export function createAuthenticator(deps: AuthenticatorDeps): Authenticate<KeyCredential> {
  const { db, pepper, now, monotonicMs = () => performance.now() } = deps;
  const held = new Map<string, Answered>();
  const refused = new Map<string, Answered>();
  const asking = new Map<string, { readonly answer: Promise<Answered>; readonly askedAt: number }>();
  const strangers = createGate(STRANGERS_AT_ONCE, STRANGERS_WAITING, 'too many unknown keys are tried');
  const isFresh = ({ askedAt }: { readonly askedAt: number }): boolean => monotonicMs() - askedAt < KEY_CACHE_MS;

  return async (headers) => {
    const key = parseApiKey(presentedCredential(headers).text);
    const mac = apiKeyMac(pepper, key);
    const name = hex(mac);
    const known = held.get(name) ?? refused.get(name);
    const { credential } = known !== undefined && isFresh(known) ? known : await askOnce(name, key, mac);
    if (credential === null) throw unknownKey();
    return living(credential, now());
  };

  /** Requests with the same key share one question, if it is not too old to be believed. */
  function askOnce(name: string, key: ApiKey, mac: Uint8Array): Promise<Answered> {
    const under = asking.get(name);
    if (under !== undefined && isFresh(under)) return under.answer;
    const askedAt = monotonicMs();
    const look = () => ask(key, mac);
    // Whoever was verified before is not kept waiting by those who were not.
    const answer = (held.has(name) ? look() : strangers(look)).then((answered) => {
      held.delete(name);
      refused.delete(name);
      if (answered.credential === null) remember(refused, name, answered, REFUSED_HELD);
      else remember(held, name, answered, KEYS_HELD);
      return answered;
    });
    const question = { answer, askedAt };
    asking.set(name, question);
    const forget = (): void => void (asking.get(name) === question && asking.delete(name));
    answer.then(forget, forget);
    return answer;
  }

  async function ask(key: ApiKey, mac: Uint8Array): Promise<Answered> {
    // The age counts from before the question, so that the answer is never older than it says.
    const askedAt = monotonicMs();
    const credential = await inTenant(db, 'reader', key.tenantId, (tx) => load(deps, tx, key, mac), { readOnly: true });
    return { credential, askedAt };
  }
}

function remember(answers: Map<string, Answered>, name: string, answered: Answered, most: number): void {
  if (answers.size >= most) {
    const oldest = answers.keys().next();
    if (!oldest.done) answers.delete(oldest.value);
  }
  answers.set(name, answered);
}

function living(credential: KeyCredential, now: number): KeyCredential {
  if (credential.expiresAt.getTime() <= now)
    throw new Refusal('credential_expired', 'the API key has passed its expiry');
  return credential;
}

/** Null: unknown, revoked or not proven. */
async function load(deps: AuthenticatorDeps, tx: Tx, key: ApiKey, mac: Uint8Array): Promise<KeyCredential | null> {
  const row = await findApiKey(tx, key.tenantId, mac);
  if (row === null || !timingSafeEqual(row.secretMac, mac)) return null;
  return proven(deps, tx, key.tenantId, row);
}

/** Null: revoked or not proven. */
async function proven(
  deps: AuthenticatorDeps,
  tx: Tx,
  tenantId: string,
  row: ApiKeyRow,
): Promise<KeyCredential | null> {
  if (!(await isKeyProven(deps, tx, tenantId, row))) return null;
  const tenant = await readTenant(tx, tenantId);
  if (tenant === null || !(await isTenantProven(deps, tx, tenant))) {
    throw new Refusal('tenant_required', 'the credential does not belong to a living tenant');
  }
  return {
    kind: 'key',
    tenantId,
    keyId: row.keyId,
    role: row.role,
    permissions: deps.permissionsOf(row.role),
    scopes: row.scopes,
    services: row.services,
    tenantSynthetic: tenant.synthetic,
    expiresAt: new Date(row.expiresAt),
    bounds: row,
  };
}

/** A key by its id, as it is at this moment: for what was signed in its name. @throws Refusal `not_authenticated`, `credential_expired`, `tenant_required` */
export function createKeyNamed(deps: AuthenticatorDeps): (tenantId: string, keyId: string) => Promise<KeyCredential> {
  return async (tenantId, keyId) => {
    const look = async (tx: Tx) => {
      const row = await findApiKeyById(tx, tenantId, keyId);
      return row === null ? null : proven(deps, tx, tenantId, row);
    };
    const credential = await inTenant(deps.db, 'reader', tenantId, look, { readOnly: true });
    if (credential === null) throw unknownKey();
    return living(credential, deps.now());
  };
}

function unknownKey(): Refusal {
  return new Refusal('not_authenticated', 'the API key is unknown or revoked');
}
