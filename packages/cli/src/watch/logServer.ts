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

/**
 * Reads the base URL of a log.
 * @throws Error a sentence, when it is not http or https, or holds what does not belong there; when a token would go over a network in clear
 */
export function readBase(text: string, token: string | null): URL {
  const base = URL.canParse(text) ? new URL(text) : null;
  if (base === null || (base.protocol !== 'https:' && base.protocol !== 'http:'))
    throw new Error('the URL of a log looks like https://sworn.example/tlog/<tenant id>/<log>');
  if (base.username !== '' || base.password !== '')
    throw new Error('a credential goes into --credential-file, not into the URL');
  if (base.search !== '' || base.hash !== '') throw new Error('the URL of a log has no ? and no #');
  if (token !== null && base.protocol === 'http:' && !isLoopback(base.hostname))
    throw new Error('a credential is sent over https, or to this machine, only');
  base.pathname = base.pathname.replace(/\/+$/, '');
  return base;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
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

/** What `fetch` threw, as far as a person can use it. */
function whyNot(error: unknown, timeoutMs: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no whole answer within ${timeoutMs / 1000} s`;
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? ` (${cause.code})` : '';
  return `cannot be reached${code}`;
}
