import { hmacSha256, token, utf8 } from '@sworn/evidence';
import type { KeyCredential } from '../access/credential.js';
import type { TenantKeys } from '../record/keyStore.js';

/** Whose request is prepared, and when. */
export interface Tenancy {
  readonly credential: KeyCredential;
  readonly keys: TenantKeys;
  /** The server's clock when the request was taken up. */
  readonly at: Date;
  /** Origins of the open logs `llm-runs`, `system` and `audit`. */
  readonly stepOrigin: string;
  readonly systemOrigin: string;
  readonly auditOrigin: string;
  /** Token → person, of those that this request names; entered in the directory before the drafts are handed on. */
  readonly humans: Map<string, string>;
}

/** Tenant-keyed HMAC over the parts, under the duplicate key: digests of bytes as sent, and event keys made of them. */
export function duplicateMac(tenancy: Tenancy, ...parts: readonly Uint8Array[]): Uint8Array {
  return hmacSha256(tenancy.keys.duplicate, ...parts);
}

/**
 * The event key of what somebody sent, by the key that it has by its name. What a foreign key sends has another: it takes the place of nothing that whoever
 * may speak for that service sends later.
 */
export function eventKeyOf(tenancy: Tenancy, foreign: boolean, named: Uint8Array): Uint8Array {
  return foreign ? duplicateMac(tenancy, utf8('FOREIGN\0'), named) : named;
}

/** The token of a human, who is entered in the directory before the drafts are handed on. */
export function humanToken(tenancy: Tenancy, human: string): string {
  const name = token(tenancy.keys.pseudonym, human);
  tenancy.humans.set(name, human);
  return name;
}

/** The token of a text that redaction removed. */
export function redactionToken(tenancy: Tenancy, removed: Uint8Array): string {
  return token(tenancy.keys.pseudonym, Buffer.from(removed).toString('utf8'));
}
