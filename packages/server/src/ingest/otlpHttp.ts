import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Refused } from '../otlp/decoded.js';
import { type Encoding, exportResponse, mediaTypeOf, RPC_CODE, statusBody } from './answer.js';
import { codings, type Incoming, isCoding, SenderGone } from './body.js';
import { boundConnections } from './connections.js';
import type { Intake } from './intake.js';
import {
  HEADERS_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  MAX_HEADER_BYTES,
  REQUEST_TIMEOUT_MS,
  STOP_TIMEOUT_MS,
  type TlsFiles,
} from './listening.js';
import {
  answerEncoding,
  badRequest,
  encodingOf,
  RefusedRequest,
  retryLater,
  UNAVAILABLE_RETRY_SECONDS,
} from './refusedRequest.js';
import { SIGNAL_NAMES, type SignalName } from './signals.js';

/** What the receiver is told. */
export interface OtlpHttpOptions {
  readonly intake: Intake;
  readonly tls?: TlsFiles;
}

/** The receiver: not listening yet. */
export interface OtlpHttp {
  readonly server: Server;
  /** Stops accepting, answers what is in flight, then resolves. */
  stop(): Promise<void>;
}

/** OTLP/HTTP (OTLP.md 1.1, 1.2): POST of each signal on any path that ends in `/v1/<signal>`. */
export function createOtlpHttp(options: OtlpHttpOptions): OtlpHttp {
  const receiver = new Receiver(options.intake);
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
  boundConnections(server, (address) => options.intake.isProxy(address));
  server.timeout = IDLE_TIMEOUT_MS;
  return { server, stop: () => receiver.stop(server) };
}

class Receiver {
  readonly #intake: Intake;
  /** Open sockets, and whether a request is being answered on each. */
  readonly #sockets = new Map<Socket, boolean>();
  #stopping = false;

  constructor(intake: Intake) {
    this.#intake = intake;
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
      this.#send(response, encoding, 200, exportResponse(encoding, signal, refused), {});
    } catch (error) {
      if (error instanceof SenderGone) {
        response.destroy();
        return;
      }
      const refused = this.#intake.refusalOf(error);
      this.#send(response, encoding, refused.httpStatus, statusBody(encoding, refused.rpc), refused.headers);
      discardRest(request, this.#intake.maxBodyBytes);
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

  async #export(request: IncomingMessage): Promise<{ readonly signal: SignalName; readonly refused: Refused }> {
    if (this.#stopping) throw retryLater(503, 'the server is stopping', UNAVAILABLE_RETRY_SECONDS);
    const signal = signalOf(request);
    const encoding = encodingOf(request.headers);
    const credential = await this.#intake.admit({
      headers: request.headersDistinct,
      address: request.socket.remoteAddress,
      forwarded: request.headersDistinct['x-forwarded-for'],
    });
    return { signal, refused: await this.#intake.store(credential, { signal, encoding, body: () => bodyOf(request) }) };
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

const PROFILES = /\/v1development\/profiles$/;

function signalOf(request: IncomingMessage): SignalName {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const signal = SIGNAL_NAMES.find((name) => path.endsWith(`/v1/${name}`));
  if (signal === undefined) {
    const message = PROFILES.test(path)
      ? 'profiles are not accepted, only traces, logs and metrics'
      : 'no such path; traces go to …/v1/traces, logs to …/v1/logs, metrics to …/v1/metrics';
    throw new RefusedRequest(404, { code: RPC_CODE.UNIMPLEMENTED, message });
  }
  if (request.method !== 'POST') {
    throw new RefusedRequest(405, { code: RPC_CODE.UNIMPLEMENTED, message: 'only POST' }, { allow: 'POST' });
  }
  return signal;
}

function bodyOf(request: IncomingMessage): Incoming {
  const coding = (request.headers['content-encoding'] ?? '').trim().toLowerCase();
  const isPlain = coding === '' || coding === 'identity';
  if (!isPlain && !isCoding(coding)) {
    throw badRequest('Content-Encoding', `Content-Encoding must be one of identity, ${codings().join(', ')}`);
  }
  const length = request.headers['content-length'];
  return {
    stream: request,
    isWhole: () => request.complete,
    coding: isPlain ? null : coding,
    declaredBytes: length === undefined ? null : Number(length),
  };
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
