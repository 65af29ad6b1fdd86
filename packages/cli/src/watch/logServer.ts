import { whyNot } from '../serverAddress.js';

/** A checkpoint has a few hundred bytes, with a hundred witnesses some tens of thousands. */
const MAX_CHECKPOINT_BYTES = 64 << 10;
/** A full hash tile: 256 hashes of 32 bytes. */
const MAX_TILE_BYTES = 8192;

/** Why there is no answer to judge: not reached, refused, cut off. It says nothing of the log. */
export class Unreachable extends Error {}

/** A log as C2SP tlog-tiles serves it. Everything it answers is the other side's claim. */
export interface LogServer {
  /** The bytes of `<base>/checkpoint`. @throws Unreachable */
  checkpoint(): Promise<Uint8Array>;
  /** The bytes of a tile path; null when it is not there. @throws Unreachable */
  tile(path: string): Promise<Uint8Array | null>;
}

/** How to reach a log. */
export interface LogAddress {
  /** Without a slash at the end. */
  readonly base: URL;
  readonly token: string | null;
  /** Milliseconds for one answer, its body included. */
  readonly timeoutMs: number;
}

/** The log at an address. Redirects are not followed: whoever is sent elsewhere watches something else, with his credential. */
export function logServer({ base, token, timeoutMs }: LogAddress): LogServer {
  async function get(path: string, limit: number): Promise<Uint8Array | null> {
    const url = `${base.href}/${path}`;
    const headers = { 'accept-encoding': 'identity', ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
    try {
      const response = await fetch(url, { redirect: 'manual', headers, signal: AbortSignal.timeout(timeoutMs) });
      if (response.status === 200) return await bodyOf(response, limit);
      await response.body?.cancel();
      if (response.status === 404) return null;
      throw new Unreachable(`${url} answered ${statusOf(response)}`);
    } catch (error) {
      if (error instanceof Unreachable) throw error;
      throw new Unreachable(`${url}: ${whyNot(error, timeoutMs)}`, { cause: error });
    }
  }
  return {
    async checkpoint() {
      const bytes = await get('checkpoint', MAX_CHECKPOINT_BYTES);
      if (bytes === null) throw new Unreachable(`${base.href}/checkpoint answered 404: is the URL right?`);
      return bytes;
    },
    tile: (path) => get(path, MAX_TILE_BYTES),
  };
}

async function bodyOf({ body, url }: Response, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > limit) throw new Unreachable(`${url} answered more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function statusOf({ status, headers }: Response): string {
  const to = status >= 300 && status < 400 ? headers.get('location') : null;
  return to === null ? String(status) : `${status} and points to ${to}: redirects are not followed`;
}
