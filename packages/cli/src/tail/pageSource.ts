import { setTimeout as pause } from 'node:timers/promises';
import { CommandFailed, EXIT } from '../exitCode.js';
import { whyNot } from '../serverAddress.js';

/** Logs that can be followed, and the list that shows each, oldest first. */
export const TAILED_LOGS = {
  'llm-runs': '/api/v1/logs/llm-runs?',
  system: '/api/v1/logs/system?',
  audit: '/api/v1/logs/audit?log=audit&',
  access: '/api/v1/logs/audit?log=access&',
  control: '/api/v1/logs/audit?log=control&',
} as const;
export type TailedLog = keyof typeof TAILED_LOGS;
/** How lines are written: as Sworn shows records, or as events of OCSF, which the logs of the audit have (docs/ocsf.md). */
export type TailFormat = 'ndjson' | 'ocsf';

/** Whether a log's records can be written so. */
export function hasFormat(log: TailedLog, format: TailFormat): boolean {
  return format === 'ndjson' || TAILED_LOGS[log].includes('/audit?');
}

/** A page of a tail. */
export interface TailPage {
  readonly items: readonly unknown[];
  readonly hasMore: boolean;
  readonly cursor: string;
}

/** Where pages come from. */
export interface PageSource {
  /** The page after a cursor; null: the first. Tries again, more and more seldom, while the server cannot answer. @throws CommandFailed */
  next(cursor: string | null): Promise<TailPage>;
}

/** How to reach a log. */
export interface TailAddress {
  readonly base: URL;
  readonly token: string;
  readonly log: TailedLog;
  readonly format: TailFormat;
  /** Times it tries again before it gives up; null: for ever. */
  readonly retries: number | null;
  readonly warn: (message: string) => void;
}

/** Records of a page: the most that lists give. */
const PAGE = 100;
/** For one answer, its body included. */
const ANSWER_MS = 30_000;
/** A page of 100 records; 8 MiB is what the server bounds long answers by. */
const MAX_PAGE_BYTES = 16 << 20;
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

/** Pages of a log over the facade. Redirects are not followed: they would be handed the credential. */
export function pageSource(address: TailAddress): PageSource {
  return {
    async next(cursor) {
      for (let tried = 0; ; tried++) {
        const answer = await ask(address, cursor);
        if (answer.kind === 'page') return answer.page;
        const { why, waitMs } = answer;
        if (address.retries !== null && tried >= address.retries) throw new CommandFailed(EXIT.unable, why);
        const ms = Math.max(waitMs, Math.min(FIRST_PAUSE_MS * 2 ** Math.min(tried, 20), MAX_PAUSE_MS));
        address.warn(`${why}; trying again in ${Math.ceil(ms / 1000)} s`);
        // Not all at once: what was down has all its tails come back.
        await pause(ms * (0.75 + Math.random() / 2));
      }
    },
  };
}

type Answer =
  | { readonly kind: 'page'; readonly page: TailPage }
  /** May be better later. `waitMs`: as the server asks, at least. */
  | { readonly kind: 'not_now'; readonly why: string; readonly waitMs: number };

async function ask({ base, token, log, format }: TailAddress, cursor: string | null): Promise<Answer> {
  const query = new URLSearchParams({ order: 'asc', limit: String(PAGE) });
  if (format === 'ocsf') query.set('format', format);
  if (cursor !== null) query.set('cursor', cursor);
  const url = `${base.href.replace(/\/$/, '')}${TAILED_LOGS[log]}${query.toString()}`;
  let text: string;
  let response: Response;
  try {
    response = await fetch(url, {
      redirect: 'manual',
      headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    text = await textOf(response);
  } catch (error) {
    return { kind: 'not_now', why: `${base.href}: ${whyNot(error, ANSWER_MS)}`, waitMs: 0 };
  }
  if (response.status === 200) return { kind: 'page', page: readPage(text, base) };
  const why = `${base.href} answered ${problemOf(response, text)}`;
  if (response.status !== 429 && response.status < 500) throw new CommandFailed(EXIT.no, why);
  return { kind: 'not_now', why, waitMs: 1_000 * Math.min(Number(response.headers.get('retry-after')) || 0, 3_600) };
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    // Leaving the loop closes the connection.
    if (length > MAX_PAGE_BYTES) throw new Error(`more than ${MAX_PAGE_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** @throws CommandFailed when the answer is no page of a tail: whatever answers there is not Sworn. */
function readPage(text: string, base: URL): TailPage {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Judged below.
  }
  const { items, has_more: hasMore, next_cursor: cursor } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (!Array.isArray(items) || typeof hasMore !== 'boolean' || typeof cursor !== 'string')
    throw new CommandFailed(EXIT.no, `${base.href} answered no page of a list: is the URL right?`);
  return { items, hasMore, cursor };
}

function problemOf({ status, headers }: Response, text: string): string {
  if (status >= 300 && status < 400) return `${status} and points to ${headers.get('location') ?? 'nowhere'}`;
  try {
    const { code, detail } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    if (typeof code === 'string') return `${status} ${code}${typeof detail === 'string' ? `: ${detail}` : ''}`;
  } catch {
    // No problem of ours.
  }
  return String(status);
}
