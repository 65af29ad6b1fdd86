import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { runFiles } from '../src/bundle/runFiles.js';
import { type RunRecords, readRunRecords } from '../src/bundle/runRecords.js';
import { countRunRows, runRows } from '../src/bundle/runRows.js';
import { hex } from '../src/bytes.js';
import { leafHash } from '../src/tree.js';
import { type RunSample, runSample, type StepShape } from './runSample.js';

const readOf = (sample: RunSample): Promise<RunRecords> => readRunRecords(sample.runId, sample.files);

const fileOf = async (run: RunRecords, name: string): Promise<string> => {
  const file = runFiles(run).find((one) => one.name === name);
  let text = '';
  for await (const piece of file?.pieces() ?? []) text += piece;
  return text;
};

const rowsOf = async (run: RunRecords, first = 0, below?: number) => {
  const rows = [];
  for await (const row of runRows(run, first, below)) rows.push(row);
  return rows;
};

interface Trace {
  readonly steps: readonly {
    readonly step_index: number;
    readonly span_id: string;
    readonly parent_span_id: string | null;
    readonly depth: number;
    readonly checksum: string;
  }[];
  readonly total_steps: number;
}

/** Steps as nobody would send them: at any time or none, ended before they began, below any other, themselves, or nothing. */
const shapes: fc.Arbitrary<StepShape[]> = fc.array(
  fc.record({
    startedNs: fc.oneof(
      fc.constant(0n),
      fc.bigInt({ min: 1_764_032_500_000_000_000n, max: 1_764_032_700_000_000_000n }),
      fc.constant(1_764_032_523_000_004_000n),
    ),
    endedNs: fc.oneof(fc.constant(0n), fc.bigInt({ min: 1_764_032_500_000_000_000n, max: 1_764_032_700_000_000_000n })),
    parent: fc.option(fc.nat({ max: 30 })),
  }),
  { minLength: 1, maxLength: 25 },
);

describe('what is made of the leaves of a run', () => {
  test('every step stands in the trace once, whatever its times and parents', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (some) => {
        const sample = runSample(some.length, { shapes: some });
        const trace = JSON.parse(await fileOf(await readOf(sample), 'data/trace.json')) as Trace;
        expect(trace.steps.map(({ step_index }) => step_index)).toEqual(some.map((_, i) => i));
        expect(new Set(trace.steps.map(({ span_id }) => span_id)).size).toBe(some.length);
        expect(trace.total_steps).toBe(some.length);
      }),
      { numRuns: 40 },
    );
  });

  test('events.csv has whatever has a time, in the order of time, each row with the hash of its leaf', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (some) => {
        const sample = runSample(some.length, { shapes: some });
        const run = await readOf(sample);
        const rows = await rowsOf(run);
        const timed = some.filter(({ startedNs, endedNs }) => startedNs > 0n || endedNs > 0n).length;
        expect(rows.filter(({ source }) => source === 'step').length).toBe(timed);
        expect(rows.length).toBe(timed + 3 + 1);
        expect(countRunRows(run)).toBe(rows.length);
        for (const row of rows) {
          const file = sample.files.find(({ log }) => log === row.log);
          const leaf = await file?.leafAt(file.indexes.indexOf(row.leaf_index));
          expect(row.checksum).toBe(`sha256:${hex(leafHash(leaf ?? new Uint8Array()))}`);
        }
        const begun = rows.filter(({ source, time }) => source !== 'step' || !time.startsWith('1970'));
        expect(begun.map(({ time }) => time)).toEqual(begun.map(({ time }) => time).toSorted());
        const csv = await fileOf(run, 'data/events.csv');
        expect(csv.split('\r\n').length).toBe(rows.length + 2);
      }),
      { numRuns: 40 },
    );
  });

  test('rows from one to before another are those of the whole', async () => {
    const run = await readOf(runSample(12));
    const all = await rowsOf(run);
    expect(await rowsOf(run, 3, 7)).toEqual(all.slice(3, 7));
    expect(await rowsOf(run, 14, 99)).toEqual(all.slice(14));
  });

  test('governance is told in the order of time, with the step that it is about and what was concluded', async () => {
    const { events } = JSON.parse(await fileOf(await readOf(runSample(12)), 'data/governance.json')) as {
      events: { decision: string; step_index: number; reported_by: string; native: unknown }[];
    };
    expect(events.map(({ decision, step_index, reported_by }) => [decision, step_index, reported_by])).toEqual([
      ['DENY', 4, 'CLIENT'],
      ['ALLOW', 4, 'CLIENT'],
      ['ALLOW', 4, 'DERIVED'],
    ]);
    expect(events[1]?.native).toEqual({ field: 'approval.status', value: 'approved' });
  });

  test('a replay holds what was under way within half a minute of the turning point, and nothing else', async () => {
    const replay = JSON.parse(await fileOf(await readOf(runSample(200)), 'data/replay.json')) as {
      window_start: string;
      window_end: string;
      events: { source: string; timestamp: string; offset_ms: number; ended_at?: string | null }[];
    };
    expect([replay.window_start, replay.window_end]).toEqual([
      '2025-11-25T01:01:34.600004Z',
      '2025-11-25T01:02:34.600004Z',
    ]);
    expect(replay.events.length).toBe(79 + 4);
    for (const { timestamp, ended_at } of replay.events) {
      expect(timestamp < replay.window_end).toBe(true);
      expect((ended_at ?? timestamp) > replay.window_start).toBe(true);
    }
    const offsets = replay.events.map(({ offset_ms }) => offset_ms);
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
  });

  test('the same leaves give the same files; the envelope names the leaf that it is of', async () => {
    const sample = runSample(12);
    const [one, two] = [await readOf(sample), await readOf(sample)];
    for (const { name } of runFiles(one)) expect(await fileOf(one, name), name).toBe(await fileOf(two, name));
    const envelope = JSON.parse(await fileOf(one, 'data/envelope.json')) as { checksum: string; revisions: unknown[] };
    expect(envelope.checksum).toBe(sample.statement.complete_by.checksum);
    expect(envelope.revisions.length).toBe(2);
  });

  test('without a RUN leaf, or without any of llm-runs, there is nothing to make files of', async () => {
    const { runId, files } = runSample(3);
    await expect(readRunRecords('another', files)).rejects.toMatchObject({ code: 'run' });
    await expect(
      readRunRecords(
        runId,
        files.filter(({ log }) => log !== 'llm-runs'),
      ),
    ).rejects.toMatchObject({ code: 'run' });
  });
});
