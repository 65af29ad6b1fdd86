import type { RunEnvelope } from '@sworn/contract';

/** Days a run is kept (CONTRACT.md §11): real ones 90, those of a synthetic tenant 7. */
const DAYS = { 'llm-runs': 90, synthetic: 7 } as const;
const DAY_MS = 86_400_000;

/** Class and term of a run, from when its newest leaf was recorded. */
export function retentionOf(recordedAt: string, isSynthetic: boolean): RunEnvelope['retention'] {
  const name = isSynthetic ? 'synthetic' : 'llm-runs';
  const until = new Date(Date.parse(recordedAt) + DAYS[name] * DAY_MS).toISOString();
  return { class: name, until: `${until.slice(0, -1)}${recordedAt.slice(23, 26)}Z`, holds: [] };
}
