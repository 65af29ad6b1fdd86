import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ProblemCode } from '@sworn/contract';
import { type Coding, encoder } from './coding.js';
import { refusalOf } from './problem.js';
import type { Answer } from './questions.js';

/** How a stream ended. */
export interface StreamEnd {
  readonly count: number;
  readonly complete: boolean;
  /** What broke it; null when it is complete, or the client went away. */
  readonly code: ProblemCode | null;
  /** `sha256:` over the lines that went out, before coding. */
  readonly checksum: string;
}

/** A page of a stream: what a reader who takes nothing keeps in memory. */
export interface Page {
  /** Taken out of it as they go. */
  readonly lines: Buffer[];
  readonly bytes: number;
  /** Null: it is the last. */
  readonly nextCursor: string | null;
}

/** The items of an answer as lines. `items`: the member that holds them. */
export function linesOf(answer: Answer, items: string): Page {
  const lines = (answer[items] as readonly unknown[]).map(lineOf);
  const bytes = lines.reduce((sum, { length }) => sum + length, 0);
  return { lines, bytes, nextCursor: answer.has_more === true ? (answer.next_cursor ?? null) : null };
}

/** What a stream is made of. */
export interface NdjsonOptions {
  readonly coding: Coding;
  readonly first: Page;
  readonly next: (cursor: string) => Promise<Page>;
  /** Records the end; the last line goes out only after it. */
  readonly ended: (end: StreamEnd) => Promise<void>;
  /** Told at once of a promise that resolves when the stream is over and its end recorded, however it ended. */
  readonly opened: (over: Promise<void>) => void;
  readonly log: (error: unknown) => void;
}

/** Whether the client asks for lines. */
export function wantsNdjson(accept: string | undefined): boolean {
  return (
    accept?.split(',').some((part) => part.trim().split(';')[0]?.toLowerCase() === 'application/x-ndjson') ?? false
  );
}

/** The whole result, one item a line, page by page at one pin, so that memory holds one page. */
export function ndjson(options: NdjsonOptions): Readable {
  const sent: Sent = { hash: createHash('sha256'), count: 0, isRecorded: false };
  const stream = Readable.from(lines(options, sent), { objectMode: false });
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  // Closed only after the generator has returned, its record of the end with it. One that never began does not run its `finally`.
  options.opened(closed.then(() => recordEnd(options, sent, { complete: false, code: null }).catch(options.log)));
  const encode = encoder(options.coding);
  if (encode === null) return stream;
  stream.on('error', (error) => encode.destroy(error));
  encode.on('close', () => stream.destroy());
  return stream.pipe(encode);
}

/** What went out of a stream until now. */
interface Sent {
  readonly hash: Hash;
  count: number;
  isRecorded: boolean;
}

async function* lines(options: NdjsonOptions, sent: Sent): AsyncGenerator<Buffer> {
  const { first, next, log } = options;
  try {
    let page: Page | ProblemCode | null = first;
    while (page !== null && typeof page !== 'string') {
      for (let line = page.lines.shift(); line !== undefined; line = page.lines.shift()) {
        sent.hash.update(line);
        sent.count++;
        yield line;
      }
      page = await following(page.nextCursor, next, log);
    }
    const { count } = sent;
    if (page === null) {
      await recordEnd(options, sent, { complete: true, code: null });
      yield lineOf({ complete: true, count });
    } else {
      await recordEnd(options, sent, { complete: false, code: page });
      yield lineOf({ complete: false, count, code: page });
    }
  } finally {
    // The client went away: the generator was closed at a yield.
    await recordEnd(options, sent, { complete: false, code: null }).catch(log);
  }
}

/** Records how it ended, once. */
async function recordEnd(
  { ended }: NdjsonOptions,
  sent: Sent,
  how: Pick<StreamEnd, 'complete' | 'code'>,
): Promise<void> {
  if (sent.isRecorded) return;
  sent.isRecorded = true;
  await ended({ ...how, count: sent.count, checksum: `sha256:${sent.hash.copy().digest('hex')}` });
}

/** The next page, null after the last, or why there is none. */
async function following(
  cursor: string | null,
  next: NdjsonOptions['next'],
  log: NdjsonOptions['log'],
): Promise<Page | ProblemCode | null> {
  if (cursor === null) return null;
  try {
    return await next(cursor);
  } catch (error) {
    log(error);
    return refusalOf(error).code;
  }
}

function lineOf(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
}
