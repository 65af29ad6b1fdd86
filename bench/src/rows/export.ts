import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fill } from '../fill/fill.js';
import type { Row, RowOptions } from '../row.js';
import { makePlace, type Peak, peakOf, SWORN, sworn, withServer } from '../server.js';

const VERIFIER = fileURLToPath(new URL('../../../packages/verifier/dist/verify.mjs', import.meta.url));

/** The run that is exported, and one that is as good as nothing: what the same process takes for being there. */
const STEPS = 100_000;
const BASELINE_STEPS = 10;

/**
 * `sworn export` of a run of 100,000 steps and `verify.mjs` of what it wrote, each a process of its own beside the server, and both for a run of ten steps:
 * the most memory that each had resident at once.
 */
export async function exportRow({ dataDir }: RowOptions): Promise<Row> {
  const place = makePlace(join(dataDir, `steps-${STEPS}`));
  const { tenant, longTraces } = await fill(place, 0, [
    { steps: BASELINE_STEPS, count: 1 },
    { steps: STEPS, count: 1 },
  ]);
  const key = join(place.dir, 'key.txt');
  writeFileSync(key, await sworn(place, 'log', 'key', '--tenant', tenant));
  const lines = await withServer(place, async () => {
    const all: Record<string, string | number>[] = [];
    for (const disclose of ['none', 'all'])
      for (const { steps, traceIds } of longTraces) {
        const file = join(place.dir, `${disclose}-${steps}.zip`);
        rmSync(file, { force: true });
        const asked = ['--tenant', tenant, '--run', traceIds[0] ?? '', '--disclose', disclose, '--out', file];
        const exported = await peakOf(place, SWORN, 'export', ...asked);
        const bundle_mb = statSync(file).size / 1e6;
        const verified = await peakOf(place, VERIFIER, file, '--key', key);
        all.push({ disclose, steps, bundle_mb, ...named('export', exported), ...named('verify', verified) });
      }
    return all;
  });
  return { row: 'export', values: above(lines), lines };
}

function named(what: string, { seconds, peakMb }: Peak): Record<string, number> {
  return { [`${what}_s`]: seconds, [`${what}_peak_mb`]: peakMb };
}

/** What the long run takes above the short one. */
function above(lines: readonly Readonly<Record<string, string | number>>[]): Record<string, number> {
  const values: Record<string, number> = {};
  for (const disclose of ['none', 'all'])
    for (const what of ['export', 'verify']) {
      const [short, long] = [BASELINE_STEPS, STEPS].map((steps) =>
        Number(lines.find((line) => line['disclose'] === disclose && line['steps'] === steps)?.[`${what}_peak_mb`]),
      );
      values[`${what}_${disclose}_above_mb`] = (long ?? 0) - (short ?? 0);
    }
  return values;
}
