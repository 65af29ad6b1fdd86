import { base64, equalBytes, hex, unbase64, unhex } from '../bytes.js';
import { commit } from '../commitment.js';
import type { Committed } from '../leaf.js';
import { Malformed } from '../malformed.js';

/** A body that is disclosed: whose it is, and what its leaf's commitment is held against. */
export interface DisclosedBody {
  readonly index: number;
  /** Member of the leaf's `c`. */
  readonly path: string;
  /** 32 bytes. */
  readonly salt: Uint8Array;
  readonly value: Uint8Array;
}

/** A line of `data/disclosures/<log>.ndjson`, without its end. */
export function disclosureLine({ index, path, salt, value }: DisclosedBody): string {
  return `{"index":${index},"path":${JSON.stringify(path)},"salt":"${hex(salt)}","value":"${base64(value)}"}`;
}

/**
 * Reads such a line; nothing is verified.
 * @throws Malformed `disclosure`
 */
export function parseDisclosure(line: string): DisclosedBody {
  const [, index, path, salt, value] =
    /^\{"index":(0|[1-9][0-9]{0,15}),"path":"([a-z0-9_.]{1,64})","salt":"([0-9a-f]{64})","value":"([A-Za-z0-9+/=]*)"\}$/.exec(
      line,
    ) ?? [];
  if (index === undefined || path === undefined || salt === undefined || value === undefined)
    throw new Malformed('disclosure', 'not a disclosure as this format writes it');
  return { index: Number(index), path, salt: unhex(salt), value: unbase64(value) };
}

/** Whether the body is the one that its leaf committed to. */
export function isDisclosed({ path, salt, value }: DisclosedBody, { pc }: Committed): boolean {
  return equalBytes(commit(salt, path, value), unhex(pc));
}
