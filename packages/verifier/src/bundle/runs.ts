import {
  belongsTo,
  lineOf,
  parseRunLeaves,
  RUN_FILES,
  type RunRecords,
  type RunsStatement,
  recordsOfRun,
  runFiles,
  type StatedRun,
  topicOfLog,
} from '@sworn/evidence';
import { checkDerived } from './derived.js';
import { type BundleFiles, reading, textOf } from './files.js';
import type { TellBundle } from './finding.js';
import type { CheckedRecords } from './records.js';
import { checkComplete, checkSources, readRun } from './run.js';
import type { ScopeRules } from './scope.js';

/** Of the longest run, each of whose leaves lies between others. */
const MAX_LEAVES_BYTES = 8 << 20;

/** How a bundle of several runs is looked at. */
export const RUNS_RULES: ScopeRules<RunsStatement> = {
  derived: [],
  unproven: () => [],
  needed: ({ runs }) =>
    runs.flatMap(({ complete_by: { log, leaf_index } }, place) => [
      `proofs/${log}/${leaf_index}.tlog-proof`,
      ...[...RUN_FILES, 'leaves.json'].map((name) => `${directoryOf(place)}/${name}`),
    ]),
  check: checkRuns,
  about: ({ scope, runs, left_out }) =>
    `${runs.length} ${runs.length === 1 ? 'run' : 'runs'} of ${scope.by.toLowerCase()} ${scope.value}${left_out.length === 0 ? '' : `, ${left_out.length} known and left out`}`,
  facts: ({ scope, runs, left_out }) => [
    [scope.by.slice(0, 1) + scope.by.slice(1).toLowerCase(), scope.value],
    ['Runs', `${runs.length}`],
    ...left_out.map(({ run_id, reason }): readonly [string, string] => ['Left out', `${run_id}: ${reason}`]),
  ],
  isComplete: 'each run complete as it says (that no other run belongs to it is not proven)',
  recordedAs: ({ scope: { kind, by, value } }) => ({ scope: { kind, by, value } }),
};

function directoryOf(place: number): string {
  return `data/runs/${place + 1}`;
}

/** Holds each run against its RUN leaf, its files, and what it is there for; then every record is one of some run. */
async function checkRuns(
  statement: RunsStatement,
  files: BundleFiles,
  records: readonly CheckedRecords[],
  tell: TellBundle,
): Promise<void> {
  const owned = new Map(records.map(({ file }) => [file.log, new Uint8Array(file.indexes.length)]));
  let last = '';
  let isWhole = true;
  for (const [place, stated] of statement.runs.entries()) {
    const run = await checkOne(statement, { place, stated, owned }, { files, records, tell });
    if (run === null) {
      isWhole = false;
      continue;
    }
    const opened = openedAt(run);
    if (opened <= last) {
      const expected = `its runs in the order in which they were opened`;
      tell({ code: 'STATEMENT_MALFORMED', entry: 'data/statement.json', expected, found: stated.run_id });
    }
    last = opened;
  }
  // Of a run that could not be read nobody knows which records are its own.
  if (!isWhole) return;
  for (const { file } of records) {
    const line = owned.get(file.log)?.indexOf(0) ?? -1;
    if (line < 0) continue;
    const expected = `records of the runs that the statement names, and none beside them`;
    tell({
      code: 'OUT_OF_SCOPE',
      entry: `data/records/${file.log}.ndjson`,
      expected,
      found: `leaf ${file.indexes[line]}`,
    });
  }
}

interface OneRun {
  readonly place: number;
  readonly stated: StatedRun;
  /** By log and line: 1 where a record is some run's. */
  readonly owned: ReadonlyMap<string, Uint8Array>;
}

interface Bundle {
  readonly files: BundleFiles;
  readonly records: readonly CheckedRecords[];
  readonly tell: TellBundle;
}

async function checkOne(
  { scope }: RunsStatement,
  { place, stated, owned }: OneRun,
  { files, records, tell }: Bundle,
): Promise<RunRecords | null> {
  const name = `${directoryOf(place)}/leaves.json`;
  const text = await textOf(files, name, { maxBytes: MAX_LEAVES_BYTES, tell });
  const logs = text === null ? null : reading('FILE_MALFORMED', name, tell, () => parseRunLeaves(text));
  if (logs === null) return null;
  const all = records.map(({ file }) => file);
  const run = await readRun(stated.run_id, () => recordsOfRun(all, logs), tell);
  if (run === null) return null;
  checkComplete(stated, run, tell);
  const own = logs.map(({ log, indexes }) => {
    const { file, hashes } = records.find((one) => one.file.log === log) as CheckedRecords;
    const lines = indexes.map((index) => lineOf(file.indexes, index));
    for (const line of lines) (owned.get(log) as Uint8Array)[line] = 1;
    return { log, hashes: lines.map((line) => hashes[line] as Uint8Array) };
  });
  checkSources(
    run,
    own.filter(({ log }) => topicOfLog(log) === 'system').flatMap(({ hashes }) => hashes),
    tell,
  );
  await checkDerived(files, runFiles(run, directoryOf(place)), tell);
  if (await belongsTo(scope, run)) return run;
  const expected = `runs of ${scope.by.toLowerCase()} ${scope.value}`;
  tell({ code: 'OUT_OF_SCOPE', entry: null, expected, found: `run ${stated.run_id}, which says another or none` });
  return run;
}

/** Where the run was opened, so that later is more: generation of its log, then index. */
function openedAt({ newest }: RunRecords): string {
  const generation = /\.([0-9]+)$/.exec(newest.log)?.[1] ?? '1';
  return `${generation.padStart(10, '0')} ${String(newest.members.count('run_index') ?? 0).padStart(16, '0')}`;
}
