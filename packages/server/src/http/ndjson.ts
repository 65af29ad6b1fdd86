import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ProblemCode } from '@sworn/contract';
import type { Reading } from '../read/reading.js';
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

/** What a stream is made of. */
export interface NdjsonOptions {
  readonly coding: Coding;
  readonly first: Reading<Answer>;
  /** Member of the answer that holds the items. */
  readonly items: string;
  readonly next: (cursor: string) => Promise<Reading<Answer>>;
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
  const { first, items, next, log } = options;
  try {
    let page: Reading<Answer> | ProblemCode | null = first;
    while (page !== null && typeof page !== 'string') {
      for (const item of page.answer[items] as readonly unknown[]) {
        const line = lineOf(item);
        sent.hash.update(line);
        sent.count++;
        yield line;
      }
      page = await following(page.answer, next, log);
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
  answer: Answer,
  next: NdjsonOptions['next'],
  log: NdjsonOptions['log'],
): Promise<Reading<Answer> | ProblemCode | null> {
  if (answer.has_more !== true || answer.next_cursor == null) return null;
  try {
    return await next(answer.next_cursor);
  } catch (error) {
    log(error);
    return refusalOf(error).code;
  }
}

function lineOf(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`, 'utf8');
}
