import type { Endpoint } from '@sworn/contract';
import { Refusal } from '../access/refusal.js';
import type { Grant } from '../access/ruling.js';
import { inTenant, type Tx } from '../store/database.js';
import type { ReadDeps } from '../read/reading.js';
import { pinRun } from '../read/settled.js';
import { filterTime } from '../read/time.js';
import type { QueryValues } from './query.js';
import type { Answer, Question } from './questions.js';

// A key may be for what happened in a range of time: lists are cut to it, and what is asked for by id must have happened in it.

/** A query of a list, cut to what the key is for. @throws Refusal `permission_denied` where nothing is left */
export function withinKey(endpoint: Endpoint, grant: Grant, query: QueryValues): QueryValues {
  if (!isRanged(grant) || endpoint.shape !== 'list') return query;
  const { from, before } = grant.occurred;
  const after = latest(from, askedTime(query, 'occurred_after'));
  const until = earliest(before, askedTime(query, 'occurred_before'));
  if (after !== null && until !== null && after >= until) throw outside(grant);
  return {
    ...query,
    ...(after !== null && { occurred_after: after }),
    ...(until !== null && { occurred_before: until }),
  };
}

/** Reads what is asked for; by id it must have happened while the key is for it. @throws Refusal `permission_denied` */
export async function readWithin<R extends { readonly answer: Pick<Answer, 'metadata'> }>(
  deps: ReadDeps,
  { grant, params }: Pick<Question, 'grant' | 'params'>,
  read: () => Promise<R>,
): Promise<R> {
  if (!isRanged(grant)) return read();
  const { run_id: runId, entry_id: entryId } = params;
  // What is asked of a run may be a part of it; the run itself is what must lie within.
  if (runId !== undefined) await demandRunWithin(deps, grant, runId);
  const reading = await read();
  if (entryId !== undefined) demandWithin(grant, reading.answer.metadata.occurred_at);
  return reading;
}

/** A run must have happened while the key is for it. @throws Refusal `permission_denied`, `not_found` */
export async function demandRunWithin(deps: ReadDeps, grant: Grant, runId: string): Promise<void> {
  if (isRanged(grant)) demandWithin(grant, await runTime(deps, grant.tenantId, runId));
}

async function runTime(deps: ReadDeps, tenantId: string, runId: string): Promise<string> {
  const pin = (tx: Tx) => pinRun(deps, tx, { tenantId, runId, pins: null });
  const { newest } = await inTenant(deps.db, 'reader', tenantId, pin, { readOnly: true, snapshot: true });
  return newest.stored.occurredAt;
}

function demandWithin(grant: Grant, at: string): void {
  const { from, before } = grant.occurred;
  if ((from !== null && at < from) || (before !== null && at >= before)) throw outside(grant);
}

/** Entries of a log stand side by side, whenever they happened. @throws Refusal `permission_denied` */
export function demandNoRange(grant: Grant): void {
  if (isRanged(grant)) throw outside(grant);
}

function isRanged({ occurred: { from, before } }: Grant): boolean {
  return from !== null || before !== null;
}

function outside({ rule, occurred: { from, before } }: Grant): Refusal {
  const range = [from === null ? [] : [`from ${from}`], before === null ? [] : [`before ${before}`]]
    .flat()
    .join(' and ');
  return new Refusal('permission_denied', `${rule.id}: the key is for what happened ${range}`, { rule: rule.id });
}

function askedTime(query: QueryValues, name: string): string | null {
  const value = query[name];
  return typeof value === 'string' ? filterTime(name, value) : null;
}

/** Times with six digits: their order is that of their texts. */
function latest(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && b > a) ? b : a;
}

function earliest(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && b < a) ? b : a;
}
