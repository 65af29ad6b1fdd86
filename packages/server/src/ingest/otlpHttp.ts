import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Credential } from '../access/credential.js';
import { Refusal } from '../access/refusal.js';
import { loggable } from '../loggable.js';
import type { DecodedLogs, DecodedTraces, Refused } from '../otlp/decoded.js';
import { decodeLogsJson, decodeTracesJson } from '../otlp/json.js';
import { TooManyParts, UndecodableRequest } from '../otlp/rejections.js';
import { decodeLogs, decodeTraces } from '../otlp/wire.js';
import type { Admission } from './admission.js';
import { type Encoding, exportResponse, mediaTypeOf, type RejectedMember, RPC_CODE, statusBody } from './answer.js';
import { readBody, SenderGone } from './body.js';
import { answerEncoding, badRequest, encodingOf, RefusedRequest, retryLater, tooLarge } from './refusedRequest.js';

/** Largest body, as sent and inflated: what the OTLP specification recommends. */
const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;

/** A client has this long for its headers, and for a whole request: longer is a slow loris, not a slow network. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;

/** A socket on which nothing moves is closed; longer than the batch interval of exporters (5 s), so that they keep theirs. */
const IDLE_TIMEOUT_MS = 65_000;

/** Headers of one request, in bytes; a key is 100. */
const MAX_HEADER_BYTES = 16_384;

/** Open sockets, each some 10 KiB before it has authenticated. */
const MAX_CONNECTIONS = 2_048;

/** Seconds after which a client comes again when nothing can be stored now. */
const UNAVAILABLE_RETRY_SECONDS = 1;

/** How long `stop` waits for requests in flight before it closes their sockets. */
const STOP_TIMEOUT_MS = 30_000;

/** What the receiver is told and told by. */
export interface OtlpHttpOptions {
  /** The credential of a request, by its headers with repeats kept apart. Throws Refusal; any other error is 503. */
  readonly authenticate: (headers: NodeJS.Dict<string[]>) => Promise<Credential>;
  /** Resolves when every span is durable. Any error is answered 503: the client sends the request again. Never called without spans. */
  readonly accept: (credential: Credential, traces: DecodedTraces, bodyBytes: number) => Promise<void>;
  /** The same of log records. */
  readonly acceptLogs: (credential: Credential, logs: DecodedLogs, bodyBytes: number) => Promise<void>;
  readonly admission: Admission;
  readonly maxBodyBytes?: number;
  /** PEM. */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  readonly log: IngestLog;
}

/** Constant message, variables as fields; no payload, no credential. */
export interface IngestLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** The receiver: not listening yet. */
export interface OtlpHttp {
  readonly server: Server;
  /** Stops accepting, answers what is in flight, then resolves. */
  stop(): Promise<void>;
}

/** OTLP/HTTP for traces and logs (OTLP.md 1.1, 1.2): POST on any path that ends in `/v1/traces` or `/v1/logs`. */
export function createOtlpHttp(options: OtlpHttpOptions): OtlpHttp {
  const receiver = new Receiver(options);
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void receiver.answer(request, response);
  const settings: ServerOptions = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    connectionsCheckingInterval: HEADERS_TIMEOUT_MS / 2,
  };
  const server =
    options.tls === undefined
      ? createServer(settings, listener)
      : createTlsServer({ ...settings, ...options.tls }, listener);
  server.on('connection', (socket) => receiver.opened(socket));
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = IDLE_TIMEOUT_MS;
  return { server, stop: () => receiver.stop(server) };
}

class Receiver {
  readonly #options: OtlpHttpOptions;
  readonly #maxBodyBytes: number;
  /** Open sockets, and whether a request is being answered on each. */
  readonly #sockets = new Map<Socket, boolean>();
  #stopping = false;

  constructor(options: OtlpHttpOptions) {
    this.#options = options;
    this.#maxBodyBytes = options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
  }

  opened(socket: Socket): void {
    this.#sockets.set(socket, false);
    socket.on('close', () => this.#sockets.delete(socket));
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#sockets.set(socket, true);
    response.on('close', () => this.#sockets.has(socket) && this.#sockets.set(socket, false));
    const encoding = answerEncoding(request.headers);
    try {
      const { signal, refused } = await this.#export(request);
      this.#send(response, encoding, 200, exportResponse(encoding, REJECTED_MEMBERS[signal], refused), {});
    } catch (error) {
      if (error instanceof SenderGone) {
        response.destroy();
        return;
      }
      const refused = this.#refusalOf(error);
      this.#send(response, encoding, refused.httpStatus, statusBody(encoding, refused.rpc), refused.headers);
      discardRest(request, this.#maxBodyBytes);
    }
  }

  async stop(server: Server): Promise<void> {
    this.#stopping = true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => server.closeAllConnections(), STOP_TIMEOUT_MS);
      server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      // Node counts a socket that has sent nothing, or half its headers, as busy.
      for (const [socket, busy] of this.#sockets) if (!busy) socket.destroy();
    });
  }

  async #export(request: IncomingMessage): Promise<{ readonly signal: SignalPath; readonly refused: Refused }> {
    if (this.#stopping) throw retryLater(503, 'the server is stopping', UNAVAILABLE_RETRY_SECONDS);
    const signal = signalOf(request);
    const encoding = encodingOf(request.headers);
    const credential = await this.#options.authenticate(request.headersDistinct);
    if (!credential.permissions.has('logs.ingest')) throw forbidden('this key may not send telemetry');
    const reservation = this.#options.admission.open(credential.tenantId);
    try {
      const body = await readBody(request, { maxBytes: this.#maxBodyBytes, reservation });
      return { signal, refused: await this.#store(signal, encoding, credential, body) };
    } finally {
      reservation.release();
    }
  }

  async #store(signal: SignalPath, encoding: Encoding, credential: Credential, body: Uint8Array): Promise<Refused> {
    const isJson = encoding === 'json';
    if (signal === '/v1/logs') {
      const logs = isJson ? decodeLogsJson(body) : decodeLogs(body);
      if (logs.records.length > 0) await this.#options.acceptLogs(credential, logs, body.length);
      return logs;
    }
    const traces = isJson ? decodeTracesJson(body) : decodeTraces(body);
    if (traces.spans.length > 0) await this.#options.accept(credential, traces, body.length);
    return traces;
  }

  /** Only 429, 502, 503 and 504 are sent again (OTLP 1.9): what we cannot explain is a 503, since a 500 would lose the data. */
  #refusalOf(error: unknown): RefusedRequest {
    if (error instanceof RefusedRequest) return error;
    if (error instanceof UndecodableRequest) return badRequest('body', error.message);
    if (error instanceof TooManyParts) return tooLarge(error.message);
    if (error instanceof Refusal) return refusedCredential(error);
    this.#options.log.error(loggable(error), 'export request not stored');
    return retryLater(503, 'nothing could be stored now', UNAVAILABLE_RETRY_SECONDS);
  }

  #send(
    response: ServerResponse,
    encoding: Encoding,
    status: number,
    body: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): void {
    response.writeHead(status, {
      'content-type': mediaTypeOf(encoding),
      'content-length': body.length,
      ...headers,
      ...(this.#stopping && { connection: 'close' }),
    });
    response.end(body);
  }
}

/** The end of a path that says what comes. */
type SignalPath = '/v1/traces' | '/v1/logs';

const REJECTED_MEMBERS: Readonly<Record<SignalPath, RejectedMember>> = {
  '/v1/traces': 'rejectedSpans',
  '/v1/logs': 'rejectedLogRecords',
};
const SIGNAL_PATHS = Object.keys(REJECTED_MEMBERS) as SignalPath[];
const OTHER_SIGNAL = /\/v1\/(metrics)$|\/v1development\/(profiles)$/;

function signalOf(request: IncomingMessage): SignalPath {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const signal = SIGNAL_PATHS.find((end) => path.endsWith(end));
  if (signal === undefined) {
    const other = OTHER_SIGNAL.exec(path);
    const message =
      other === null
        ? 'no such path; traces go to …/v1/traces, logs to …/v1/logs'
        : `${other[1] ?? other[2]} are not accepted, only traces and logs`;
    throw new RefusedRequest(404, { code: RPC_CODE.UNIMPLEMENTED, message });
  }
  if (request.method !== 'POST') {
    throw new RefusedRequest(405, { code: RPC_CODE.UNIMPLEMENTED, message: 'only POST' }, { allow: 'POST' });
  }
  return signal;
}

function forbidden(message: string): RefusedRequest {
  return new RefusedRequest(403, { code: RPC_CODE.PERMISSION_DENIED, message });
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

/**
 * Reads on and forgets, so that a client still sending gets to read its answer instead of a reset connection. Bounded:
 * by bytes here, by time through the server's request timeout.
 */
function discardRest(request: IncomingMessage, maxBytes: number): void {
  if (request.complete) return;
  let discarded = 0;
  request.on('data', (piece: Buffer) => {
    discarded += piece.length;
    if (discarded > maxBytes) request.destroy();
  });
  request.on('error', () => request.destroy());
  request.resume();
}
