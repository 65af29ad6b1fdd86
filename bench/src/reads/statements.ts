import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Place } from '../server.js';

/** One statement as the driver was given it. On its way between processes a value that is bytes stands as `{ $bytes }`, base64. */
export interface Asked {
  readonly text: string;
  readonly values: readonly unknown[] | null;
  /** Of a prepared statement. */
  readonly name: string | null;
}

/** What the recorder is told: the URLs' paths, asked in this order. */
export interface RecorderOrder {
  readonly readerKey: string;
  readonly asks: readonly { readonly path: string; readonly accept: string }[];
}

/**
 * The statements that the server itself runs to answer each of the paths, BEGIN and COMMIT with them: recorded at the driver, in a process of
 * its own, so that what is measured beside an answer is the SQL of that answer whatever it comes to be.
 */
export async function recordStatements(place: Place, order: RecorderOrder): Promise<readonly (readonly Asked[])[]> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../statements.child.js', import.meta.url))], {
    env: place.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  child.stdin.end(JSON.stringify(order));
  const said = await text(child.stdout);
  const code = await ended;
  if (code !== 0) throw new Error(`recording the statements failed (${code})`);
  const recorded = JSON.parse(said) as Asked[][];
  return recorded.map((statements) =>
    statements.map((asked) => ({ ...asked, values: asked.values?.map(valueOf) ?? null })),
  );
}

/** A value as the driver takes it. */
function valueOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(valueOf);
  if (typeof value === 'object' && value !== null && '$bytes' in value)
    return Buffer.from(String(value.$bytes), 'base64');
  return value;
}
