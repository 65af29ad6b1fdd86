import { timingSafeEqual } from 'node:crypto';
import { hex } from '@sworn/evidence';
import { findApiKey } from '../store/apiKey.js';
import { type Database, inTenant, type Tx } from '../store/database.js';
import { readTenant } from '../store/tenant.js';
import { type ApiKey, apiKeyMac, parseApiKey } from './apiKey.js';
import { type Credential, permissionsOf } from './credential.js';
import { isKeyProven, isTenantProven, type ProofDeps } from './directory.js';
import { presentedCredential, type RequestHeaders } from './presented.js';
import { Refusal } from './refusal.js';

/** Verifies the credential of a request. @throws Refusal `not_authenticated`, `credential_expired`, `ambiguous_credential`, `tenant_required`. */
export type Authenticate = (headers: RequestHeaders) => Promise<Credential>;

/** What verifying needs. */
export interface AuthenticatorDeps extends ProofDeps {
  readonly db: Database;
  /** Not in the database: a dump of it holds no key that could be tried. */
  readonly pepper: Uint8Array;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Milliseconds a verified key is believed without asking the database again: a revoked key is dead everywhere within this time. */
const KEY_CACHE_MS = 5_000;
/** Verified keys held, about 500 bytes each; the one loaded longest ago goes first. Unknown keys are never held, so a flood of them evicts nothing. */
const KEYS_HELD = 10_000;

interface Held {
  readonly credential: Credential;
  readonly loadedAt: number;
}

/** An authenticator for API keys, for ingest and facade alike. */
export function createAuthenticator(deps: AuthenticatorDeps): Authenticate {
  const { db, pepper, now } = deps;
  const held = new Map<string, Held>();

  return async (headers) => {
    const key = parseApiKey(presentedCredential(headers).key);
    if (key === null) throw new Refusal('not_authenticated', 'the credential is not an API key of this service');
    const mac = apiKeyMac(pepper, key);
    const name = hex(mac);
    const known = held.get(name);
    if (known !== undefined && now() - known.loadedAt < KEY_CACHE_MS) return living(known.credential, now());
    held.delete(name);
    // The age counts from before the question, so that the answer is never older than it says.
    const loadedAt = now();
    const credential = await inTenant(db, 'reader', key.tenantId, (tx) => load(deps, tx, key, mac), { readOnly: true });
    if (held.size >= KEYS_HELD) {
      const oldest = held.keys().next();
      if (!oldest.done) held.delete(oldest.value);
    }
    held.set(name, { credential, loadedAt });
    return living(credential, now());
  };
}

function living(credential: Credential, now: number): Credential {
  if (credential.expiresAt.getTime() <= now)
    throw new Refusal('credential_expired', 'the API key has passed its expiry');
  return credential;
}

async function load(deps: ProofDeps, tx: Tx, key: ApiKey, mac: Uint8Array): Promise<Credential> {
  const row = await findApiKey(tx, key.tenantId, mac);
  if (row === null || !timingSafeEqual(row.secretMac, mac)) throw unknownKey();
  if (!(await isKeyProven(deps, tx, key.tenantId, row))) throw unknownKey();
  const tenant = await readTenant(tx, key.tenantId);
  if (tenant === null || !(await isTenantProven(deps, tx, tenant))) {
    throw new Refusal('tenant_required', 'the credential does not belong to a living tenant');
  }
  return {
    tenantId: key.tenantId,
    keyId: row.keyId,
    role: row.role,
    permissions: permissionsOf(row.role),
    scopes: row.scopes,
    services: row.services,
    tenantSynthetic: tenant.synthetic,
    expiresAt: new Date(row.expiresAt),
  };
}

function unknownKey(): Refusal {
  return new Refusal('not_authenticated', 'the API key is unknown or revoked');
}
