import type { IncomingHttpHeaders } from 'node:http';
import { type Encoding, RPC_CODE, type RpcStatus } from './answer.js';

/** A request that is not accepted: the HTTP status and what the Status in the body says. Known to both sides; never content. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly httpStatus: number;
  readonly rpc: RpcStatus;
  readonly headers: Readonly<Record<string, string>>;

  constructor(httpStatus: number, rpc: RpcStatus, headers: Readonly<Record<string, string>> = {}) {
    super(rpc.message);
    this.httpStatus = httpStatus;
    this.rpc = rpc;
    this.headers = headers;
  }
}

/** 400: the client must not send it again. */
export function badRequest(field: string, message: string): RefusedRequest {
  return new RefusedRequest(400, { code: RPC_CODE.INVALID_ARGUMENT, message, field });
}

/** 413. */
export function tooLarge(message: string): RefusedRequest {
  return new RefusedRequest(413, { code: RPC_CODE.RESOURCE_EXHAUSTED, message });
}

/** 429 or 503: the client sends it again after `seconds`. */
export function retryLater(httpStatus: 429 | 503, message: string, seconds: number): RefusedRequest {
  const code = httpStatus === 429 ? RPC_CODE.RESOURCE_EXHAUSTED : RPC_CODE.UNAVAILABLE;
  return new RefusedRequest(httpStatus, { code, message }, { 'retry-after': String(Math.max(1, Math.ceil(seconds))) });
}

/** The encoding a request names. 415 for any media type OTLP does not know. */
export function encodingOf(headers: IncomingHttpHeaders): Encoding {
  const mediaType = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType === 'application/x-protobuf' || mediaType === 'application/protobuf') return 'protobuf';
  if (mediaType === 'application/json') return 'json';
  throw new RefusedRequest(
    415,
    {
      code: RPC_CODE.INVALID_ARGUMENT,
      message: 'Content-Type must be application/x-protobuf or application/json',
      field: 'Content-Type',
    },
    { accept: 'application/x-protobuf, application/json' },
  );
}

/** The encoding of an answer to a request whose media type may be anything: JSON unless it is protobuf. */
export function answerEncoding(headers: IncomingHttpHeaders): Encoding {
  try {
    return encodingOf(headers);
  } catch {
    return 'json';
  }
}
