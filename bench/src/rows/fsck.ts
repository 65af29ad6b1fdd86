import { join } from 'node:path';
import { fill } from '../fill/fill.js';
import type { Row, RowOptions } from '../row.js';
import { makePlace, type Place, type Ran, timeSworn } from '../server.js';

/** What the figures are scaled to, whatever there is. */
const MILLION = 1_000_000;

/** What of the command's JSON is used. */
interface Report {
  readonly records: number;
  /** Of leaves and bodies, as the database sent them. */
  readonly bytes: number;
}

/**
 * `sworn fsck --quick` (V1 to V5) and `sworn fsck` (V1 to V11) of a filled deployment, as a user runs them with no server there: start and stop of Node and of
 * PostgreSQL count. What those alone take is the same command for a log of a few records.
 */
export async function fsckRow({ runs, dataDir }: RowOptions): Promise<Row> {
  const place = makePlace(join(dataDir, String(runs)));
  const { tenant } = await fill(place, runs);
  const startUp = await timeSworn(place, 'fsck', '--quick', '--json', '--tenant', tenant, '--log', 'control');
  const tree = await check(place, startUp.seconds, '--quick');
  const all = await check(place, startUp.seconds);
  return {
    row: 'fsck',
    values: {
      runs,
      records: tree.report.records,
      mib: tree.report.bytes / 2 ** 20,
      start_up_s: startUp.seconds,
      ...named('tree', tree.figures),
      ...named('all', all.figures),
    },
  };
}

async function check(
  place: Place,
  startUpS: number,
  ...options: readonly string[]
): Promise<{ readonly report: Report; readonly figures: Readonly<Record<string, number>> }> {
  const ran: Ran = await timeSworn(place, 'fsck', '--json', ...options);
  const report = JSON.parse(ran.said) as Report;
  const { seconds, cpu } = ran;
  // Scaled without the start-up, which a million records have once as well.
  const perRecord = (seconds - startUpS) / report.records;
  const figures = {
    s: seconds,
    s_a_million: startUpS + perRecord * MILLION,
    records_per_s: report.records / seconds,
    mib_per_s: report.bytes / 2 ** 20 / seconds,
    node_cpu_s: cpu.serverS,
    postgres_cpu_s: cpu.postgresS,
  };
  return { report, figures };
}

function named(what: string, figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${what}_${name}`, value]));
}
