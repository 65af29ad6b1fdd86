import { hmacSha256, token } from '@sworn/evidence';
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
