import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import zlib from 'node:zlib';
import type { Reservation } from './admission.js';
import { badRequest, retryLater, tooLarge } from './refusedRequest.js';

/** Bytes reserved ahead of what has arrived: at least one piece from the socket or out of the decompressor (64 KiB each). */
const RESERVE_AHEAD = 131_072;

/** Largest piece a decompressor gives at a time. */
const INFLATE_CHUNK = 65_536;

/** Seconds after which a client that found no room comes again. */
const FULL_RETRY_SECONDS = 1;

/** The sender went away in the middle of its body: there is nobody to answer. */
export class SenderGone extends Error {
  override readonly name = 'SenderGone';
}

/** What bounds a body. `maxBytes` holds before and after inflating. */
export interface BodyBounds {
  readonly maxBytes: number;
  readonly reservation: Reservation;
}

/**
 * Reads a request's body, inflated. Bytes are reserved before they are held, so a gzip bomb stops at the bound, not behind it.
 * Throws RefusedRequest 400 (unknown or broken Content-Encoding), 413 or 429, and SenderGone. Leaves the request open for an answer.
 */
export async function readBody(request: IncomingMessage, bounds: BodyBounds): Promise<Buffer> {
  const decoder = decoderOf(request);
  // A length that is only declared reserves nothing: it costs its sender nothing.
  if (Number(request.headers['content-length']) > bounds.maxBytes)
    throw tooLarge(`the body is larger than ${bounds.maxBytes} bytes`);
  if (decoder === null) return collect(request, request, bounds);
  request.pipe(decoder);
  try {
    return await collect(request, decoder, bounds);
  } finally {
    request.unpipe(decoder);
    decoder.destroy();
  }
}

type Decompressor = () => Transform;

const DECODERS: ReadonlyMap<string, Decompressor> = new Map<string, Decompressor>([
  ['gzip', () => zlib.createGunzip({ chunkSize: INFLATE_CHUNK })],
  ['deflate', () => zlib.createInflate({ chunkSize: INFLATE_CHUNK })],
  ...zstd(),
]);

/** Node has zstd from 22.15 and 23.8 on. */
function zstd(): [string, Decompressor][] {
  const create = (zlib as { createZstdDecompress?: (options: { chunkSize: number }) => Transform })
    .createZstdDecompress;
  return create === undefined ? [] : [['zstd', () => create({ chunkSize: INFLATE_CHUNK })]];
}

function decoderOf(request: IncomingMessage): Transform | null {
  const coding = (request.headers['content-encoding'] ?? '').trim().toLowerCase();
  if (coding === '' || coding === 'identity') return null;
  const create = DECODERS.get(coding);
  if (create === undefined) {
    throw badRequest(
      'Content-Encoding',
      `Content-Encoding must be one of identity, ${[...DECODERS.keys()].join(', ')}`,
    );
  }
  return create();
}

/** The bytes of `source`, which is the request or what it is piped into. */
function collect(request: IncomingMessage, source: Readable, { maxBytes, reservation }: BodyBounds): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const stop = (error: Error | null): void => {
      source.off('data', take).off('end', end).off('error', broken);
      request.off('close', gone).off('error', gone);
      if (error === null) return;
      // Whatever still comes has nobody to go to; an error without a listener would end the process.
      request.on('error', ignore);
      source.on('error', ignore);
      reject(error);
    };
    const reserve = (): boolean =>
      reservation.growTo(Math.min(size + RESERVE_AHEAD, maxBytes)) ||
      (stop(retryLater(429, 'too many bytes in flight', FULL_RETRY_SECONDS)), false);
    const take = (piece: Buffer): void => {
      size += piece.length;
      if (size > maxBytes) stop(tooLarge(`the body is larger than ${maxBytes} bytes`));
      else if (reserve()) pieces.push(piece);
    };
    const end = (): void => {
      stop(null);
      reservation.shrinkTo(size);
      resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, size));
    };
    const broken = (): void => stop(badRequest('body', 'the body does not inflate by its Content-Encoding'));
    const gone = (): void => {
      if (!request.complete) stop(new SenderGone('the sender closed the connection'));
    };
    if (!reserve()) return;
    request.on('close', gone).on('error', gone);
    source.on('end', end).on('data', take);
    if (source !== request) source.on('error', broken);
  });
}

function ignore(): void {
  // See where it is used.
}
