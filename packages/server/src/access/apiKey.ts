import { createHmac, randomBytes } from 'node:crypto';

/** An API key as its holder has it. */
export interface ApiKey {
  readonly tenantId: string;
  /** 43 characters of base64url: 256 random bits. */
  readonly secret: string;
}

const KEY = /^swk_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

/** A fresh key for a tenant. */
export function makeApiKey(tenantId: string): ApiKey {
  return { tenantId, secret: randomBytes(32).toString('base64url') };
}

/** `swk_<tenant, 32 hex>_<secret>`. */
export function formatApiKey({ tenantId, secret }: ApiKey): string {
  return `swk_${tenantId.replaceAll('-', '')}_${secret}`;
}

/** Reads a key; null for anything that is not one. The tenant it names is the sender's claim until the secret is found there. */
export function parseApiKey(text: string): ApiKey | null {
  const match = KEY.exec(text);
  const [, hex, secret] = match ?? [];
  if (hex === undefined || secret === undefined) return null;
  const tenantId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return { tenantId, secret };
}

/** What the database keeps of a key: HMAC-SHA256 under the pepper over tenant and secret. 256 random bits need no slow hash. */
export function apiKeyMac(pepper: Uint8Array, { tenantId, secret }: ApiKey): Uint8Array {
  return createHmac('sha256', pepper).update(`sworn.api-key/1\0${tenantId}\0${secret}`).digest();
}
