import {
  constants,
  createSecureServer,
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Server } from 'node:net';
import { exportResponse, RPC_CODE, type RpcStatus, statusBody } from './answer.js';
import { codings, ignore, SenderGone } from './body.js';
import { boundConnections, type Connections } from './connections.js';
import { type BoundConnection, boundConnection, CONNECTION_SETTINGS, STREAM_WINDOW_BYTES } from './grpcConnection.js';
import { framed, incomingMessage, refusedCall } from './grpcMessage.js';
import type { Intake } from './intake.js';
import { HEADERS_TIMEOUT_MS, REQUEST_TIMEOUT_MS, STOP_TIMEOUT_MS, type TlsFiles } from './listening.js';
import { SIGNAL_NAMES, type SignalName } from './signals.js';

/** Bytes of one connection that may be on their way without being read, once somebody who may send is behind it; until then HTTP/2's 64 KiB, however many calls it makes. */
const CONNECTION_WINDOW_BYTES = 4 * STREAM_WINDOW_BYTES;

/** The method of each signal. */
const METHODS: Readonly<Record<SignalName, string>> = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
};

/** What the receiver is told. */
export interface OtlpGrpcOptions {
  readonly intake: Intake;
  readonly tls?: TlsFiles;
}

/** The receiver: not listening yet. */
export interface OtlpGrpc {
  readonly server: Server;
  /** Stops accepting, answers the calls in flight, then resolves. */
  stop(): Promise<void>;
}

/**
 * OTLP/gRPC (OTLP.md 1.1): unary Export of each signal, over HTTP/2 with or without TLS. The framing is read here and not by a library, so
 * that a caller is known, and room for his bytes is reserved, before they are held (docs/decisions/0017-grpc-framed-by-ourselves.md).
 */
export function createOtlpGrpc({ intake, tls }: OtlpGrpcOptions): OtlpGrpc {
  const server =
    tls === undefined
      ? createServer(CONNECTION_SETTINGS)
      : createSecureServer({ ...CONNECTION_SETTINGS, ...tls, handshakeTimeout: HEADERS_TIMEOUT_MS });
  const sessions = new Set<Http2Session>();
  const connections = boundConnections(server, (address) => intake.isProxy(address));
  server.on('session', (session) => {
    const connection = boundConnection(session, connections.socketOf(session.socket));
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on(
      'stream',
      // Node's types leave out the last argument: all headers, repeats too; `headers` keeps the first of those that must be one.
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: readonly string[]) =>
        void answer(intake, { stream, headers, raw, connection }),
    );
  });
  return { server, stop: () => stop(server, { sessions, connections }) };
}

/** One call, with its headers as names and values in turn. */
interface Call {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly raw: readonly string[];
  readonly connection: BoundConnection;
}

async function answer(intake: Intake, call: Call): Promise<void> {
  const { stream, headers, raw, connection } = call;
  stream.on('error', ignore);
  connection.began(stream);
  if (!isGrpc(headers)) {
    connection.ends(stream);
    stream.respond({ ':status': 415 }, { endStream: true });
    stream.close(constants.NGHTTP2_NO_ERROR);
    return;
  }
  const tooSlow = setTimeout(() => {
    connection.ends(stream);
    stream.close(constants.NGHTTP2_CANCEL);
  }, REQUEST_TIMEOUT_MS);
  const inTime = (): void => clearTimeout(tooSlow);
  stream.once('end', inTime).once('close', inTime);
  try {
    const signal = signalOf(headers);
    const credential = await intake.admit({
      headers: credentialHeaders(raw),
      address: stream.session?.socket.remoteAddress,
      forwarded: headers['x-forwarded-for'],
    });
    connection.isKnown();
    if (isOpen(stream)) stream.session?.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    const encoding = headerOf(headers, 'grpc-encoding').toLowerCase();
    const body = () => incomingMessage(stream, encoding);
    const refused = await intake.store(credential, { signal, encoding: 'protobuf', body });
    succeed(call, exportResponse('protobuf', signal, refused));
  } catch (error) {
    if (error instanceof SenderGone) stream.destroy();
    else refuse(call, intake.refusalOf(error).rpc);
  }
}

/** Whoever is gone reads no answer. */
function isOpen(stream: ServerHttp2Stream): boolean {
  return !stream.closed && !stream.destroyed;
}

function succeed({ stream, connection }: Call, response: Uint8Array): void {
  if (!isOpen(stream)) return;
  connection.ends(stream);
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond(answerHeaders(), { waitForTrailers: true });
  stream.end(framed(response));
}

/** Trailers-Only. A sender in the middle of its message is told to stop; it has the answer by then (RFC 9113, 8.1). */
function refuse({ stream, connection }: Call, rpc: RpcStatus): void {
  if (!isOpen(stream)) return;
  connection.ends(stream);
  const status = statusBody('protobuf', rpc);
  stream.respond(
    {
      ...answerHeaders(),
      'grpc-status': String(rpc.code),
      'grpc-message': percentEncoded(rpc.message),
      'grpc-status-details-bin': Buffer.from(status).toString('base64'),
    },
    { endStream: true },
  );
  if (stream.readableEnded) return;
  stream.close(constants.NGHTTP2_NO_ERROR);
  // What has arrived and nobody reads would keep the stream, and so the connection, for ever.
  stream.resume();
}

/** What `stop` ends. */
interface Open {
  readonly sessions: ReadonlySet<Http2Session>;
  readonly connections: Connections;
}

async function stop(server: Server, { sessions, connections }: Open): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => connections.closeAll(), STOP_TIMEOUT_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    // GOAWAY: calls in flight are answered, later ones go elsewhere.
    for (const session of sessions) session.close();
  });
}

function signalOf(headers: IncomingHttpHeaders): SignalName {
  const path = headerOf(headers, ':path');
  const signal = SIGNAL_NAMES.find((name) => METHODS[name] === path);
  if (signal === undefined) {
    throw refusedCall(RPC_CODE.UNIMPLEMENTED, `there are ${Object.values(METHODS).join(', ')}`);
  }
  return signal;
}

function isGrpc(headers: IncomingHttpHeaders): boolean {
  const mediaType = headerOf(headers, 'content-type').split(';', 1)[0]?.trim().toLowerCase();
  const isProtobuf = mediaType === 'application/grpc' || mediaType === 'application/grpc+proto';
  return isProtobuf && headerOf(headers, ':method') === 'POST';
}

function credentialHeaders(raw: readonly string[]): NodeJS.Dict<string[]> {
  const valuesOf = (name: string): string[] => raw.filter((_, index) => index % 2 === 1 && raw[index - 1] === name);
  return { authorization: valuesOf('authorization'), 'x-api-key': valuesOf('x-api-key') };
}

function headerOf(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === 'string' ? value.trim() : '';
}

function answerHeaders(): Record<string, string | number> {
  return {
    ':status': 200,
    'content-type': 'application/grpc+proto',
    'grpc-accept-encoding': ['identity', ...codings()].join(','),
  };
}

/** As grpc-message is written: printable ASCII but for the percent sign stands as it is. */
function percentEncoded(message: string): string {
  return message.replace(/[^\x20-\x24\x26-\x7e]+/gu, encodeURIComponent);
}
