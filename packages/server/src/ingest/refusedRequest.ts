import type { IncomingHttpHeaders } from 'node:http';
import { Refusal } from '../access/refusal.js';
import { TooManyParts, UndecodableRequest } from '../otlp/rejections.js';
import { type Encoding, RPC_CODE, type RpcStatus } from './answer.js';

/** Seconds after which a client comes again when nothing can be stored now. */
export const UNAVAILABLE_RETRY_SECONDS = 1;

/** A request that is not accepted: the HTTP status, and the Status that either protocol carries. Known to both sides; never content. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly httpStatus: number;
  readonly rpc: RpcStatus;
  /** Of the HTTP answer alone. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(httpStatus: number, rpc: RpcStatus, headers: Readonly<Record<string, string>> = {}) {
    super(rpc.message);
    this.httpStatus = httpStatus;
    this.rpc = rpc;
    this.headers = headers;
  }
}

/** 400, INVALID_ARGUMENT: the client must not send it again. */
export function badRequest(field: string, message: string): RefusedRequest {
  return new RefusedRequest(400, { code: RPC_CODE.INVALID_ARGUMENT, message, field });
}

/** 413, RESOURCE_EXHAUSTED without a time to come back: the client must not send it again. */
export function tooLarge(message: string): RefusedRequest {
  return new RefusedRequest(413, { code: RPC_CODE.RESOURCE_EXHAUSTED, message });
}

/** 403, PERMISSION_DENIED. */
export function forbidden(message: string): RefusedRequest {
  return new RefusedRequest(403, { code: RPC_CODE.PERMISSION_DENIED, message });
}

/** 429 or 503, RESOURCE_EXHAUSTED or UNAVAILABLE: the client sends it again after `seconds`. `headers`: of the HTTP answer, beside Retry-After. */
export function retryLater(
  httpStatus: 429 | 503,
  message: string,
  seconds: number,
  headers: Readonly<Record<string, string>> = {},
): RefusedRequest {
  const code = httpStatus === 429 ? RPC_CODE.RESOURCE_EXHAUSTED : RPC_CODE.UNAVAILABLE;
  const retrySeconds = Math.max(1, Math.ceil(seconds));
  const all = { 'retry-after': String(retrySeconds), ...headers };
  return new RefusedRequest(httpStatus, { code, message, retrySeconds }, all);
}

/**
 * What a request is answered for an error. Only 429, 502, 503 and 504 are sent again (OTLP 1.9): what nobody can explain, and `unexplained`
 * is told of, is a 503, since a 500 would lose the data.
 */
export function refusalOf(error: unknown, unexplained: () => void): RefusedRequest {
  if (error instanceof RefusedRequest) return error;
  if (error instanceof UndecodableRequest) return badRequest('body', error.message);
  if (error instanceof TooManyParts) return tooLarge(error.message);
  if (error instanceof Refusal) return refusedCredential(error);
  unexplained();
  return retryLater(503, 'nothing could be stored now', UNAVAILABLE_RETRY_SECONDS);
}

function refusedCredential(refusal: Refusal): RefusedRequest {
  if (refusal.status === 401) {
    const challenge = { 'www-authenticate': 'Bearer realm="otlp", Basic realm="otlp"' };
    return new RefusedRequest(401, { code: RPC_CODE.UNAUTHENTICATED, message: refusal.message }, challenge);
  }
  if (refusal.status === 403) return forbidden(refusal.message);
  if (refusal.status === 429 || refusal.status === 503) {
    return retryLater(refusal.status, refusal.message, refusal.retryAfter ?? UNAVAILABLE_RETRY_SECONDS);
  }
  return badRequest('Authorization', refusal.message);
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
