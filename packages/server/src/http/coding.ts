import { promisify } from 'node:util';
import { brotliCompress, constants, createBrotliCompress, createGzip, gzip } from 'node:zlib';
import type { Transform } from 'node:stream';

/** How an answer is written on the wire. The strong ETag names it, so it is chosen before the ETag is. */
export type Coding = 'br' | 'gzip' | 'identity';

/** Below this a coding saves less than its header costs. */
const MIN_BYTES = 1_024;
/** Brotli's 11 takes a second for a megabyte; 4 is quicker than gzip's 6 and smaller. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };

const compressBrotli = promisify(brotliCompress);
const compressGzip = promisify(gzip);

/** The coding to use for `Accept-Encoding` (RFC 9110 12.5.3), ours first: br, gzip, none. */
export function codingFor(accept: string | undefined, bytes: number): Coding {
  if (accept === undefined || bytes < MIN_BYTES) return 'identity';
  const weights = new Map<string, number>();
  for (const part of accept.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    const quality = parameters.find((text) => text.startsWith('q='));
    weights.set(name, quality === undefined ? 1 : Number(quality.slice(2)));
  }
  const isAccepted = (name: string) => (weights.get(name) ?? weights.get('*') ?? 0) > 0;
  return isAccepted('br') ? 'br' : isAccepted('gzip') ? 'gzip' : 'identity';
}

/** The bytes in this coding. */
export async function encode(coding: Coding, bytes: Buffer): Promise<Buffer> {
  if (coding === 'identity') return bytes;
  return coding === 'br' ? compressBrotli(bytes, BROTLI) : compressGzip(bytes);
}

/** An encoder for a stream, flushed after each write so that lines arrive as they come; null for identity. */
export function encoder(coding: Coding): Transform | null {
  if (coding === 'identity') return null;
  if (coding === 'gzip') return createGzip({ flush: constants.Z_SYNC_FLUSH });
  return createBrotliCompress({ ...BROTLI, flush: constants.BROTLI_OPERATION_FLUSH });
}
