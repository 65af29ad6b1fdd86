import { decodeLeaf, type JsonValue } from '@sworn/evidence';
import type { LeafDraft } from '../record/draft.js';
import type { KnownRun } from '../store/sealing.js';

type Members = Readonly<Record<string, JsonValue>>;

/** How many leaves of the log the newest revision was made of; 0 for OPENED. */
export function coveredBy(known: KnownRun): number {
  if (known.revision === 0) return 0;
  const { sizes } = decodeLeaf(known.leaf).fields;
  const covered = (sizes as { readonly 'llm-runs'?: unknown } | undefined)?.['llm-runs'];
  return typeof covered === 'number' ? covered : 0;
}

/** Members of a RUN leaf that differ although nothing is new. */
const PLACE_MEMBERS: ReadonlySet<string> = new Set([
  'event_key',
  'recorded_at',
  'r',
  'revision',
  'sizes',
  'members_below',
]);

/** Whether a new RUN leaf would say nothing that the newest does not. */
export function saysTheSame(newest: KnownRun, draft: LeafDraft): boolean {
  if (newest.revision === 0) return false;
  const [before, now] = [newest.leaf, draft.leaf].map(
    (leaf) => JSON.parse(Buffer.from(leaf).toString('utf8')) as Members,
  );
  return changedMembers(before ?? {}, now ?? {}, PLACE_MEMBERS).length === 0;
}

/** Names of the members that two revisions say differently, but for `except`. Both are canonical: equal values are equal texts. */
export function changedMembers(before: Members, now: Members, except: ReadonlySet<string>): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names]
    .filter((name) => !except.has(name) && JSON.stringify(before[name]) !== JSON.stringify(now[name]))
    .sort();
}
