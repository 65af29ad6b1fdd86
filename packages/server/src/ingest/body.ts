import type { Readable, Transform } from 'node:stream';
import zlib from 'node:zlib';
import type { Reservation } from './admission.js';
import { badRequest, RefusedRequest, retryLater, tooLarge } from './refusedRequest.js';

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

/** A message on its way in. */
export interface Incoming {
  /** Its bytes as sent. Fails with a RefusedRequest where they are not framed as they must be; any other failure means that the sender is gone. */
  readonly stream: Readable;
  /** Whether all bytes have arrived. */
  readonly isWhole: () => boolean;
  /** What it is compressed by, as `isCoding` knows it; null: not at all. */
  readonly coding: string | null;
  /** Length as sent, where its sender declared one. */
  readonly declaredBytes: number | null;
}

/**
 * Reads a message, inflated. Bytes are reserved before they are held, so a gzip bomb stops at the bound, not behind it.
 * Throws RefusedRequest 400 (does not inflate), 413 or 429, and SenderGone. Leaves the stream open for an answer.
 */
export async function readBody(incoming: Incoming, bounds: BodyBounds): Promise<Buffer> {
  const { stream, coding, declaredBytes } = incoming;
  // A length that is only declared reserves nothing: it costs its sender nothing.
  if (declaredBytes !== null && declaredBytes > bounds.maxBytes) throw largerThan(bounds.maxBytes);
  if (coding === null) return collect(incoming, stream, bounds);
  const decoder = decoderOf(coding);
  stream.pipe(decoder);
  try {
    return await collect(incoming, decoder, bounds);
  } finally {
    stream.unpipe(decoder);
    decoder.destroy();
  }
}

/** Whether messages may be compressed by this, by its name in lower case. */
export function isCoding(name: string): boolean {
  return DECODERS.has(name);
}

/** All that they may be compressed by. */
export function codings(): readonly string[] {
  return [...DECODERS.keys()];
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

function decoderOf(coding: string): Transform {
  const create = DECODERS.get(coding);
  if (create === undefined) throw new Error('a coding that isCoding does not know');
  return create();
}

function largerThan(maxBytes: number): RefusedRequest {
  return tooLarge(`the body is larger than ${maxBytes} bytes`);
}

/** The bytes of `source`, which is the incoming stream or what it is piped into. */
function collect(incoming: Incoming, source: Readable, { maxBytes, reservation }: BodyBounds): Promise<Buffer> {
  const { stream, coding, declaredBytes } = incoming;
  // Of a short message that is not compressed it is known how little comes: a hundred of them take no room that they do not need.
  const mostBytes = coding === null ? Math.min(declaredBytes ?? maxBytes, maxBytes) : maxBytes;
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let size = 0;
    const stop = (error: Error | null): void => {
      source.off('data', take).off('end', end).off('error', broken);
      stream.off('close', gone).off('error', failed);
      if (error === null) return;
      // Whatever still comes has nobody to go to; an error without a listener would end the process.
      stream.on('error', ignore);
      source.on('error', ignore);
      reject(error);
    };
    const reserve = (): boolean =>
      reservation.growTo(Math.min(size + RESERVE_AHEAD, mostBytes)) ||
      (stop(retryLater(429, 'too many bytes in flight', FULL_RETRY_SECONDS)), false);
    const take = (piece: Buffer): void => {
      size += piece.length;
      if (size > maxBytes) stop(largerThan(maxBytes));
      else if (reserve()) pieces.push(piece);
    };
    const end = (): void => {
      stop(null);
      reservation.shrinkTo(size);
      resolve(pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, size));
    };
    const broken = (): void =>
      stop(badRequest('body', 'the body does not inflate by what it says it is compressed by'));
    const gone = (): void => {
      if (!incoming.isWhole()) stop(new SenderGone('the sender closed the connection'));
    };
    const failed = (error: Error): void => (error instanceof RefusedRequest ? stop(error) : gone());
    if (!reserve()) return;
    stream.on('close', gone).on('error', failed);
    source.on('end', end).on('data', take);
    if (source !== stream) source.on('error', broken);
  });
}

/** Hears what nobody has to answer. */
export function ignore(): void {
  // See where it is used.
}
