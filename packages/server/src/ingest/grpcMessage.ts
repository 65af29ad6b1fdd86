import type { ServerHttp2Stream } from 'node:http2';
import { Transform, type TransformCallback } from 'node:stream';
import { RPC_CODE } from './answer.js';
import { codings, ignore, type Incoming, isCoding, SenderGone } from './body.js';
import { badRequest, RefusedRequest } from './refusedRequest.js';

/** A byte that says whether the message is compressed, and its length as sent in four (gRPC over HTTP/2, Length-Prefixed-Message). */
const PREFIX_BYTES = 5;

/** The HTTP status of every answer of gRPC, refusals too. */
const GRPC_HTTP_STATUS = 200;

/** The one message of a unary call, without its prefix. `encoding` is the call's grpc-encoding. Throws RefusedRequest, SenderGone. */
export async function incomingMessage(stream: ServerHttp2Stream, encoding: string): Promise<Incoming> {
  const prefix = await readPrefix(stream);
  if (prefix === null) throw notOneMessage();
  if (prefix.length < PREFIX_BYTES) throw badRequest('body', 'the bytes end inside the prefix of the message');
  const declaredBytes = prefix.readUInt32BE(1);
  const coding = codingOf(prefix.readUInt8(0), encoding);
  const message = new OneMessage(declaredBytes);
  // Whoever reads it may have stopped listening.
  message.on('error', ignore);
  stream.once('close', () => message.isWhole || message.destroy(new SenderGone('the sender closed the stream')));
  stream.pipe(message);
  return { stream: message, isWhole: () => message.isWhole, coding, declaredBytes };
}

/** A call that is refused for what only gRPC knows. */
export function refusedCall(code: (typeof RPC_CODE)[keyof typeof RPC_CODE], message: string): RefusedRequest {
  return new RefusedRequest(GRPC_HTTP_STATUS, { code, message });
}

/** A message as an answer carries it: not compressed. */
export function framed(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Null: the stream ends without a byte. Fewer bytes than a prefix: it ends inside it. */
function readPrefix(stream: ServerHttp2Stream): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const settle = (by: () => void): void => {
      stream.off('readable', look).off('end', ended).off('close', gone);
      by();
    };
    const look = (): void => {
      const prefix = stream.read(PREFIX_BYTES) as Buffer | null;
      if (prefix !== null) settle(() => resolve(prefix));
    };
    const ended = (): void => settle(() => resolve(null));
    const gone = (): void => settle(() => reject(new SenderGone('the sender closed the stream')));
    if (stream.closed || stream.destroyed) return gone();
    stream.on('readable', look).on('end', ended).on('close', gone);
    look();
  });
}

/** Null: not compressed. */
function codingOf(flag: number, encoding: string): string | null {
  if (flag === 0) return null;
  if (flag !== 1) throw refusedCall(RPC_CODE.INTERNAL, 'the compressed flag of the message is neither 0 nor 1');
  if (encoding === '' || encoding === 'identity') {
    throw refusedCall(RPC_CODE.INTERNAL, 'the message is compressed, and no grpc-encoding says by what');
  }
  if (isCoding(encoding)) return encoding;
  throw refusedCall(RPC_CODE.UNIMPLEMENTED, `grpc-encoding must be one of identity, ${codings().join(', ')}`);
}

function notOneMessage(): RefusedRequest {
  return refusedCall(RPC_CODE.UNIMPLEMENTED, 'Export takes one message, no more and no fewer');
}

/** Lets one message of a known length through. */
class OneMessage extends Transform {
  #missing: number;
  /** The message has come, and nothing after it. */
  isWhole = false;

  constructor(length: number) {
    super();
    this.#missing = length;
  }

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#missing -= piece.length;
    if (this.#missing < 0) done(notOneMessage());
    else done(null, piece);
  }

  override _flush(done: TransformCallback): void {
    this.isWhole = this.#missing === 0;
    done(this.isWhole ? null : badRequest('body', 'the bytes end inside the message'));
  }
}
