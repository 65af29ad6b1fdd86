import { gzipSync } from 'node:zlib';
import { CommandFailed, EXIT } from '../exitCode.js';
import type { RecordedRequest } from './captures.js';

/** Where OTLP goes, and as whom. */
export interface Destination {
  /** Base URL of OTLP over HTTP. */
  readonly otlpHttp: string;
  readonly ingestKey: string;
  readonly signal: AbortSignal;
}

/** A refused request is tried again this often at most: 429 and 503 say when. */
const MAX_TRIES = 10;

/** Sends one traces request the way its client did. @throws CommandFailed with what the server said. */
export async function sendTraces(
  request: RecordedRequest,
  { otlpHttp, ingestKey, signal }: Destination,
): Promise<void> {
  const headers: Record<string, string> = {
    'content-type': request.encoding === 'protobuf' ? 'application/x-protobuf' : 'application/json',
    authorization: `Bearer ${ingestKey}`,
    ...(request.gzip ? { 'content-encoding': 'gzip' } : {}),
  };
  const body = request.gzip ? gzipSync(request.body) : request.body;
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(`${otlpHttp}/v1/traces`, { method: 'POST', headers, body: Buffer.from(body), signal });
    const said = await answer.text();
    if (answer.ok) return;
    if ((answer.status !== 429 && answer.status !== 503) || attempt === MAX_TRIES) {
      throw new CommandFailed(
        EXIT.unable,
        `${otlpHttp} refused the recording of ${request.client}: ${answer.status} ${said.slice(0, 500)}`,
      );
    }
    const seconds = Number(answer.headers.get('retry-after') ?? 1);
    await new Promise((resolve) => setTimeout(resolve, 1000 * (Number.isFinite(seconds) ? Math.min(seconds, 10) : 1)));
  }
}
