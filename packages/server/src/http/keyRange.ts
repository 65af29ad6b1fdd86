import type { Endpoint } from '@sworn/contract';
import { Refusal } from '../access/refusal.js';
import type { Grant } from '../access/ruling.js';
import { inTenant } from '../store/database.js';
import type { ReadDeps } from '../read/reading.js';
import { pinRun } from '../read/settled.js';
import { filterTime } from '../read/time.js';
import type { QueryValues } from './query.js';

// A key may be for what happened in a range of time: lists are cut to it, and what is asked for by id must have happened in it.

/** A query of a list, cut to what the key is for. @throws Refusal `permission_denied` where nothing is left */
export function withinKey(endpoint: Endpoint, grant: Grant, query: QueryValues): QueryValues {
  const { from, before } = grant.occurred;
  if ((from === null && before === null) || endpoint.shape !== 'list') return query;
  const after = latest(from, askedTime(query, 'occurred_after'));
  const until = earliest(before, askedTime(query, 'occurred_before'));
  if (after !== null && until !== null && after >= until) throw outside(grant);
  return {
    ...query,
    ...(after !== null && { occurred_after: after }),
    ...(until !== null && { occurred_before: until }),
  };
}

/** Holds the run that is asked for by id against the range of the key; one that is not there is left to whoever answers. @throws Refusal */
export async function demandRunWithin(deps: ReadDeps, grant: Grant, runId: string): Promise<void> {
  const { tenantId, occurred } = grant;
  if (occurred.from === null && occurred.before === null) return;
  const { newest } = await inTenant(
    deps.db,
    'reader',
    tenantId,
    (tx) => pinRun(deps, tx, { tenantId, runId, pins: null }),
    {
      readOnly: true,
      snapshot: true,
    },
  );
  demandWithin(grant, newest.stored.occurredAt);
}

/** @throws Refusal `permission_denied` for what happened at another time than the key is for */
export function demandWithin(grant: Grant, at: string): void {
  const { from, before } = grant.occurred;
  if ((from !== null && at < from) || (before !== null && at >= before)) throw outside(grant);
}

/** Entries of a log stand side by side, whenever they happened. @throws Refusal `permission_denied` */
export function demandNoRange(grant: Grant): void {
  const { from, before } = grant.occurred;
  if (from !== null || before !== null) throw outside(grant);
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
