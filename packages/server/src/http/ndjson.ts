import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ProblemCode } from '@sworn/contract';
import type { Reading } from '../read/reading.js';
import { type Coding, encoder } from './coding.js';
import { refusalOf } from './problem.js';
import type { Answer } from './questions.js';

/** How a stream ended. `code` null: complete. */
export interface StreamEnd {
  readonly count: number;
  readonly code: ProblemCode | null;
  readonly error: unknown;
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
  const stream = Readable.from(lines(options), { objectMode: false });
  const encode = encoder(options.coding);
  if (encode === null) return stream;
  stream.on('error', (error) => encode.destroy(error));
  encode.on('close', () => stream.destroy());
  return stream.pipe(encode);
}

async function* lines({ first, items, next, ended, log }: NdjsonOptions): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let count = 0;
  let recorded = false;
  let broken: unknown = null;
  const end = async (code: ProblemCode | null): Promise<void> => {
    recorded = true;
    await ended({ count, code, error: broken, checksum: `sha256:${hash.copy().digest('hex')}` });
  };
  try {
    for (let page: Reading<Answer> | null = first; page !== null; ) {
      for (const item of page.answer[items] as readonly unknown[]) {
        const line = Buffer.from(`${JSON.stringify(item)}\n`, 'utf8');
        hash.update(line);
        count++;
        yield line;
      }
      const cursor: string | null = page.answer.has_more === true ? (page.answer.next_cursor ?? null) : null;
      page = cursor === null ? null : await next(cursor);
    }
    await end(null);
    yield Buffer.from(`${JSON.stringify({ complete: true, count })}\n`, 'utf8');
  } catch (error) {
    broken = error;
    log(error);
    const { code } = refusalOf(error);
    if (!recorded) await end(code);
    yield Buffer.from(`${JSON.stringify({ complete: false, count, code })}\n`, 'utf8');
  } finally {
    // The client went away: the generator is closed at a yield.
    if (!recorded) await end('internal').catch(log);
  }
}
