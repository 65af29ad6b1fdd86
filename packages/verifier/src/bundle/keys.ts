import { equalBytes, hex, Malformed, parseVkey, sha256, type Vkey } from '@sworn/evidence';

/** The key lines of a file: empty lines and those that begin with # are passed over. @throws Malformed `vkey`, with the number of the line */
export function parseKeys(text: string): readonly Vkey[] {
  const keys: Vkey[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    try {
      keys.push(parseVkey(line.trim()));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      throw new Malformed('vkey', `line ${i + 1}: ${error.message}`);
    }
  }
  return keys;
}

/**
 * The public keys that may sign a log. One deployment has one key for all its logs, under the name of each: of pinned lines those count that are of this
 * origin, else those of other logs of the same deployment and tenant.
 */
export function keysFor(keys: readonly Vkey[], origin: string): readonly Uint8Array[] {
  const exact = keys.filter(({ name }) => name === origin);
  const chosen = exact.length > 0 ? exact : keys.filter(({ name }) => tenantOf(name) === tenantOf(origin));
  return chosen
    .map(({ publicKey }) => publicKey)
    .filter((key, i, all) => all.findIndex((other) => equalBytes(other, key)) === i);
}

/** `<deployment>/<tenant>` of an origin. */
function tenantOf(origin: string): string {
  return origin.slice(0, origin.lastIndexOf('/'));
}

/** SHA-256 of a public key, hex: what people compare. */
export function fingerprintOf(publicKey: Uint8Array): string {
  return `sha256:${hex(sha256(publicKey))}`;
}
