import {
  copiedKey,
  equalBytes,
  hex,
  Malformed,
  RUN_FILES,
  type RecordFile,
  type RunRecords,
  type RunStatement,
  readRunRecords,
  runFiles,
  type StatedRun,
  topicOfLog,
  treeHash,
  unhex,
} from '@sworn/evidence';
import { checkDerived } from './derived.js';
import type { BundleFiles } from './files.js';
import type { TellBundle } from './finding.js';
import type { CheckedRecords } from './records.js';
import type { ScopeRules } from './scope.js';

/** How a bundle of one run is looked at. */
export const RUN_RULES: ScopeRules<RunStatement> = {
  derived: RUN_FILES,
  needed: ({ complete_by: { log, leaf_index } }) => [`proofs/${log}/${leaf_index}.tlog-proof`],
  check: checkRun,
  about: ({ scope }) => `run ${scope.run_id}`,
  facts: ({ scope, complete_by: by }) => [
    ['Run', scope.run_id],
    ['Complete by', `${by.log} ${by.leaf_index}, ${by.checksum}`],
  ],
  isComplete: 'complete as the run says',
  unproven: () => [],
  recordedAs: ({ scope }) => ({ run_id: scope.run_id }),
};

/** Holds the records of a run against what its newest RUN leaf says of them, and the files that are made of them against those made again. */
async function checkRun(
  statement: RunStatement,
  files: BundleFiles,
  records: readonly CheckedRecords[],
  tell: TellBundle,
): Promise<void> {
  const { run_id } = statement.scope;
  const run = await readRun(run_id, () => records.map(({ file }) => file), tell);
  if (run === null) return;
  checkComplete({ run_id, complete_by: statement.complete_by }, run, tell);
  checkSources(
    run,
    records.filter(({ file }) => topicOfLog(file.log) === 'system').flatMap(({ hashes }) => hashes),
    tell,
  );
  await checkDerived(files, runFiles(run), tell);
}

/** The records of a run; null, and told: these are not those of one. `files` may refuse as well. */
export async function readRun(
  runId: string,
  files: () => readonly RecordFile[],
  tell: TellBundle,
): Promise<RunRecords | null> {
  try {
    return await readRunRecords(runId, files());
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    tell({ code: 'INCOMPLETE', entry: null, expected: `the records of run ${runId}`, found: error.message });
    return null;
  }
}

/** The RUN leaf that the statement names is there, the newest one, and of exactly these steps and events (docs/spec/checks.md, V9). */
export function checkComplete({ complete_by: by, run_id }: StatedRun, run: RunRecords, tell: TellBundle): void {
  const { newest, revisions, copies, conflicts, steps, hashes, events } = run;
  const m = newest.members;
  const named = `${newest.log} ${newest.index} sha256:${hex(newest.leafHash)}`;
  const wrong = (expected: string, found: string) => tell({ code: 'INCOMPLETE', entry: null, expected, found });
  if (named !== `${by.log} ${by.leaf_index} ${by.checksum}`)
    wrong(`the RUN leaf ${by.log} ${by.leaf_index} ${by.checksum} as the newest of run ${run_id}`, named);
  const [opened, ...sealed] = revisions;
  const at = m.count('run_index');
  if (opened?.members.text('kind') !== 'OPENED' || opened.index !== at)
    wrong(`the OPENED leaf ${at}, before every RUN leaf`, `${opened?.members.text('kind')} ${opened?.index}`);
  const missing = sealed.findIndex(({ members }, i) => members.count('revision') !== i + 1);
  if (missing >= 0) wrong(`every RUN leaf, the one of revision ${missing + 1} too`, 'another in its place');
  if (copies !== m.count('conflicts'))
    wrong(`${m.count('conflicts')} CONFLICT leaves, as its RUN leaf says`, `${copies}`);
  const own = new Set(steps.map(copiedKey));
  if ([...conflicts].some((key) => !own.has(key))) wrong('CONFLICT leaves that contradict its own steps', 'another');
  const stepHashes = steps.map((_, at) => hashes.subarray(32 * at, 32 * at + 32));
  checkTree('steps', { count: m.count('steps'), tree: m.text('tree') }, stepHashes, wrong);
  // A RUN leaf of before events were counted heeds none.
  const counted = m.count('events');
  const eventHashes = events.map(({ leafHash }) => leafHash);
  const tree = counted === null ? null : m.text('events_tree');
  checkTree('events', { count: counted ?? 0, tree }, eventHashes, wrong);
}

/** Every environment and scope that a step names is there: its leaf names it by the hash of its record. */
export function checkSources({ sources }: RunRecords, ofSystem: readonly Uint8Array[], tell: TellBundle): void {
  const there = new Set(ofSystem.map(hex));
  for (const source of sources)
    if (!there.has(source))
      tell({ code: 'INCOMPLETE', entry: null, expected: `the RESOURCE record sha256:${source}`, found: 'none' });
}

function checkTree(
  what: string,
  { count, tree }: { readonly count: number | null; readonly tree: string | null },
  hashes: readonly Uint8Array[],
  wrong: (expected: string, found: string) => void,
): void {
  if (hashes.length !== count) wrong(`${count} ${what}, as its RUN leaf says`, `${hashes.length}`);
  else if (tree !== null && !(tree.length === 64 && equalBytes(treeHash(hashes), unhex(tree))))
    wrong(`${what} of the tree ${tree}`, hex(treeHash(hashes)));
}
