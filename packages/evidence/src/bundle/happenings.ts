import type { ReadRecord, RunRecords } from './runRecords.js';

/** Something that happened in a run or around it: one of its steps, or a record. Microseconds since 1970; a moment lasts one. */
export type Happening = { readonly from: bigint; readonly until: bigint } & (
  | { readonly source: 'llm'; readonly at: number }
  | { readonly source: 'system' | 'policy'; readonly record: ReadRecord }
);

const RANKS = { llm: 0, system: 1, policy: 2 } as const;

/** By time, then source, log and index; of a step the index is its place in the run. One without times is nowhere. */
export function happenings(run: RunRecords): Happening[] {
  const all: Happening[] = [];
  for (const [at, place] of run.order.entries()) {
    const { startedNs, endedNs } = run.steps[place] as RunRecords['steps'][number];
    const from = (startedNs > 0n ? startedNs : endedNs) / 1000n;
    const last = (endedNs > startedNs ? endedNs : startedNs) / 1000n;
    if (from > 0n) all.push({ source: 'llm', at, from, until: last > from ? last : from + 1n });
  }
  const add = (source: 'system' | 'policy', record: ReadRecord) => {
    const from = microsecondsOf(record.members.text('occurred_at') ?? '');
    all.push({ source, record, from, until: from + 1n });
  };
  for (const record of run.around) add('system', record);
  for (const record of run.events) add('policy', record);
  return all.sort((a, b) => {
    if (a.from !== b.from) return a.from < b.from ? -1 : 1;
    if (a.source !== b.source) return RANKS[a.source] - RANKS[b.source];
    if (a.source === 'llm' || b.source === 'llm') return 'at' in a && 'at' in b ? a.at - b.at : 0;
    return byPlace(a.record, b.record);
  });
}

/** In the order of time; at one moment by place. */
export function inTime(records: readonly ReadRecord[]): readonly ReadRecord[] {
  return records.toSorted((a, b) => {
    const [x, y] = [a.members.text('occurred_at') ?? '', b.members.text('occurred_at') ?? ''];
    return x === y ? byPlace(a, b) : x < y ? -1 : 1;
  });
}

function byPlace(a: ReadRecord, b: ReadRecord): number {
  return a.log === b.log ? a.index - b.index : a.log < b.log ? -1 : 1;
}

/** Microseconds since 1970 of a time with six digits. */
export function microsecondsOf(time: string): bigint {
  return BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1000n + BigInt(time.slice(20, 26));
}
