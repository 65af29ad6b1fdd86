import { hex, utf8 } from './bytes.js';
import { hmacSha256 } from './hmac.js';

const TOKEN_BYTES = 16;

/**
 * What stands in a leaf for a person: `tok_` and the first 16 bytes of HMAC-SHA256(key, value), in hex. Equal values have equal tokens within a tenant.
 * @param key the tenant's pseudonym key
 */
export function token(key: Uint8Array, value: string): string {
  return `tok_${hex(hmacSha256(key, utf8(value)).subarray(0, TOKEN_BYTES))}`;
}
