import { connect } from 'node:http2';
import type { Signal } from './stage.js';

const METHODS: Readonly<Record<Signal, string>> = {
  traces: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
};

/** A call as it is to be sent: its message is framed, and nothing else is done to it. */
export interface Exported {
  readonly signal: Signal;
  readonly message: Uint8Array;
  /** Whether it says that gzip made the message. */
  readonly isGzip?: boolean;
  readonly key: string;
}

/** How a call ended; `status` is gRPC's number. */
export interface Ended {
  readonly status: number;
  readonly message: string;
}

/** One call over a connection of its own. Rejects when there is no answer. */
export function exportByGrpc(origin: string, { signal, message, isGzip = false, key }: Exported): Promise<Ended> {
  // What it sends counts too: beyond its ten megabytes Node's client hears no answer.
  const session = connect(origin, { maxSessionMemory: 1_000 });
  const stream = session.request({
    ':method': 'POST',
    ':path': METHODS[signal],
    'content-type': 'application/grpc+proto',
    te: 'trailers',
    'x-api-key': key,
    ...(isGzip && { 'grpc-encoding': 'gzip' }),
  });
  return new Promise<Ended>((resolve, reject) => {
    let said: Readonly<Record<string, unknown>> = {};
    stream.on('response', (headers) => (said = { ...said, ...headers }));
    stream.on('trailers', (trailers) => (said = { ...said, ...trailers }));
    stream.on('error', () => undefined);
    session.on('error', reject);
    stream.on('close', () => {
      const status = said['grpc-status'];
      if (typeof status !== 'string') reject(new Error(`no answer: ${JSON.stringify(said)}, code ${stream.rstCode}`));
      else resolve({ status: Number(status), message: decodeURIComponent(String(said['grpc-message'] ?? '')) });
    });
    stream.resume();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt8(isGzip ? 1 : 0, 0);
    prefix.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([prefix, message]));
  }).finally(() => session.destroy());
}
