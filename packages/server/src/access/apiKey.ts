import { createHmac, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Refusal } from './refusal.js';

/** An API key as its holder has it. */
export interface ApiKey {
  readonly tenantId: string;
  /** 43 characters of base64url: 256 random bits. */
  readonly secret: string;
}

/** Keys of before had no checksum. */
const KEY = /^swk_([0-9a-f]{32})_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})?$/;

/** A fresh key for a tenant. */
export function makeApiKey(tenantId: string): ApiKey {
  return { tenantId, secret: randomBytes(32).toString('base64url') };
}

/** `swk_<tenant, 32 hex>_<secret><checksum>`: who mistypes or cuts it is told so, and who looks for leaked keys knows one. */
export function formatApiKey({ tenantId, secret }: ApiKey): string {
  const text = `swk_${tenantId.replaceAll('-', '')}_${secret}`;
  return text + checksumOf(text);
}

/** Reads a key; the tenant it names is the sender's claim until the secret is found there. @throws Refusal `not_authenticated` for anything that is not one */
export function parseApiKey(text: string): ApiKey {
  const [, hex, secret, checksum] = KEY.exec(text) ?? [];
  if (hex === undefined || secret === undefined)
    throw new Refusal('not_authenticated', 'the credential is not an API key of this service');
  if (checksum !== undefined && checksum !== checksumOf(text.slice(0, -checksum.length)))
    throw new Refusal('not_authenticated', 'the API key is mistyped: its last six characters do not match the others');
  const tenantId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return { tenantId, secret };
}

/** CRC-32 in six characters of base64url. */
function checksumOf(text: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(text));
  return bytes.toString('base64url');
}

/** What the database keeps of a key: HMAC-SHA256 under the pepper over tenant and secret. 256 random bits need no slow hash. */
export function apiKeyMac(pepper: Uint8Array, { tenantId, secret }: ApiKey): Uint8Array {
  return createHmac('sha256', pepper).update(`sworn.api-key/1\0${tenantId}\0${secret}`).digest();
}
