import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CommandFailed, EXIT } from '../exitCode.js';
import type { Destination } from './send.js';

/** A run of two model calls takes well under a second; loading the SDKs on a busy machine takes the rest. */
const PATIENCE_MS = 60_000;

/** Runs the live agent in a child process. Resolves to its trace id, in hex. @throws CommandFailed with what it said. */
export function runLiveAgent({ otlpHttp, ingestKey, signal }: Destination): Promise<string> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./liveAgent.child.js', import.meta.url))], {
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: otlpHttp,
      OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${ingestKey}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
    timeout: PATIENCE_MS,
  });
  let answer = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const traceId = /^[0-9a-f]{32}$/m.exec(answer)?.[0];
      if (code === 0 && traceId !== undefined) resolve(traceId);
      else
        reject(
          new CommandFailed(EXIT.unable, `the live agent of the demo failed (${code}): ${complaint.slice(-1000)}`),
        );
    });
  });
}
