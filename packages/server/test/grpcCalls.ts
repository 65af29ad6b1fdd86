import type http2 from 'node:http2';
import { Client, credentials, Metadata, type ServiceError, status as StatusCode } from '@grpc/grpc-js';
import { oracleStatus } from './otlpOracle.js';

export const TRACES = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
export const LOGS = '/opentelemetry.proto.collector.logs.v1.LogsService/Export';
export const METRICS = '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export';

/** How a call ended: the status by its name, and what `grpc-status-details-bin` says. */
export interface Ended {
  readonly status: string;
  readonly message: string;
  readonly response: Buffer | null;
  readonly details: ReturnType<typeof oracleStatus> | null;
}

export interface Called {
  readonly path?: string;
  readonly body?: Uint8Array;
  readonly metadata?: Readonly<Record<string, string | readonly string[]>>;
  readonly gzip?: boolean;
}

/** A client of grpc-js, which nobody here wrote, that sends bytes as they are. */
export class GrpcClient {
  readonly #plain: Client;
  readonly #zipping: Client;

  /** `trusted`: PEM of the certificate, for TLS. */
  constructor(address: string, trusted?: Buffer) {
    const { host } = new URL(address);
    const by = trusted === undefined ? credentials.createInsecure() : credentials.createSsl(trusted);
    this.#plain = new Client(host, by);
    this.#zipping = new Client(host, by, { 'grpc.default_compression_algorithm': 2 });
  }

  call({ path = TRACES, body = Buffer.alloc(0), metadata = {}, gzip = false }: Called): Promise<Ended> {
    const sent = new Metadata();
    for (const [name, values] of Object.entries(metadata)) {
      for (const value of [values].flat()) sent.add(name, value);
    }
    const same = (bytes: Buffer): Buffer => bytes;
    return new Promise((resolve) => {
      const settle = (error: ServiceError | null, response?: Buffer): void => resolve(ended(error, response ?? null));
      (gzip ? this.#zipping : this.#plain).makeUnaryRequest(path, same, same, Buffer.from(body), sent, settle);
    });
  }

  close(): void {
    this.#plain.close();
    this.#zipping.close();
  }
}

function ended(error: ServiceError | null, response: Buffer | null): Ended {
  const [details] = error?.metadata?.get('grpc-status-details-bin') ?? [];
  return {
    status: StatusCode[error?.code ?? 0] ?? '',
    message: error?.details ?? '',
    response,
    details: details instanceof Uint8Array ? oracleStatus(details) : null,
  };
}

/** One request written as HTTP/2 frames: what no gRPC client would send. */
export interface RawRequest {
  readonly headers?: http2.OutgoingHttpHeaders;
  /** Bytes of the request stream; false: it stays open behind them. */
  readonly body?: Uint8Array;
  readonly ends?: boolean;
}

export interface RawAnswer {
  readonly headers: http2.IncomingHttpHeaders;
  /** `grpc-status`, of headers or trailers. */
  readonly status: string | undefined;
  /** HTTP/2's code that the stream ended with. */
  readonly code: number;
}

export function rawCall(session: http2.ClientHttp2Session, request: RawRequest): Promise<RawAnswer> {
  const stream = session.request(
    {
      ':method': 'POST',
      ':path': TRACES,
      'content-type': 'application/grpc+proto',
      te: 'trailers',
      ...request.headers,
    },
    { endStream: false },
  );
  return new Promise((resolve) => {
    let headers: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on('response', (got) => (headers = got));
    stream.on('trailers', (got) => (trailers = got));
    stream.on('error', () => undefined);
    stream.on('close', () =>
      resolve({
        headers,
        status: (trailers['grpc-status'] ?? headers['grpc-status']) as string | undefined,
        code: stream.rstCode ?? 0,
      }),
    );
    stream.resume();
    if (request.body !== undefined) stream.write(request.body);
    if (request.ends !== false) stream.end();
  });
}

/** A message with its prefix. */
export function framed(message: Uint8Array, { flag = 0, length = message.length } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flag, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, message]);
}
