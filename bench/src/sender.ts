import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/** What the sender is told. Bounded in time and in number, whichever comes first. */
export interface SenderOrder {
  readonly otlpHttp: string;
  readonly ingestKey: string;
  readonly connections: number;
  readonly tracesPerRequest: number;
  readonly seconds: number;
  readonly maxSpans: number;
  /** Null: as fast as acknowledgements come. */
  readonly spansPerSecond: number | null;
}

/** What it saw. `seconds` runs from the first request to the last acknowledgement. */
export interface SenderReport {
  readonly acknowledged: number;
  readonly requests: number;
  /** Answers 429 and 503, each tried again when it said. */
  readonly throttled: number;
  readonly seconds: number;
  readonly bytesPerSpan: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Runs a sender to its end. @throws Error with what it said. */
export async function runSender(order: SenderOrder): Promise<SenderReport> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./sender.child.js', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: (order.seconds + 60) * 1000,
  });
  child.stdin.end(JSON.stringify(order));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const said = await text(child.stdout);
  const code = await ended;
  if (code !== 0) throw new Error(`the sender failed (${code})`);
  return JSON.parse(said) as SenderReport;
}
