import {
  equalBytes,
  hex,
  Malformed,
  type RunRecords,
  readRunRecords,
  runFiles,
  type Statement,
  topicOfLog,
  treeHash,
  unhex,
} from '@sworn/evidence';
import type { ArchiveEntry } from '../archive/entry.js';
import { type BundleFiles, linesOf } from './files.js';
import type { TellBundle } from './finding.js';
import type { CheckedRecords } from './records.js';

/** Holds the records of a run against what its newest RUN leaf says of them, and the files that are made of them against those made again. */
export async function checkRun(
  statement: Statement,
  files: BundleFiles,
  records: readonly CheckedRecords[],
  tell: TellBundle,
): Promise<void> {
  const run = await readRun(statement, records, tell);
  if (run === null) return;
  checkComplete(statement, run, tell);
  checkSources(run, records, tell);
  for (const { name, pieces } of runFiles(run)) {
    const entry = files.get(name);
    if (entry !== undefined) await checkDerived(entry, pieces(), tell);
  }
}

async function readRun(
  { scope }: Statement,
  records: readonly CheckedRecords[],
  tell: TellBundle,
): Promise<RunRecords | null> {
  try {
    return await readRunRecords(
      scope.run_id,
      records.map(({ file }) => file),
    );
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    tell({ code: 'INCOMPLETE', entry: null, expected: `the records of run ${scope.run_id}`, found: error.message });
    return null;
  }
}

/** The RUN leaf that the statement names is there, the newest one, and of exactly these steps and events (docs/spec/checks.md, V9). */
function checkComplete({ complete_by: by, scope }: Statement, run: RunRecords, tell: TellBundle): void {
  const { newest, revisions, copies, steps, hashes, events } = run;
  const m = newest.members;
  const named = `${newest.log} ${newest.index} sha256:${hex(newest.leafHash)}`;
  const wrong = (expected: string, found: string) => tell({ code: 'INCOMPLETE', entry: null, expected, found });
  if (named !== `${by.log} ${by.leaf_index} ${by.checksum}`)
    wrong(`the RUN leaf ${by.log} ${by.leaf_index} ${by.checksum} as the newest of run ${scope.run_id}`, named);
  const [opened, ...sealed] = revisions;
  const at = m.count('run_index');
  if (opened?.members.text('kind') !== 'OPENED' || opened.index !== at)
    wrong(`the OPENED leaf ${at}, before every RUN leaf`, `${opened?.members.text('kind')} ${opened?.index}`);
  const missing = sealed.findIndex(({ members }, i) => members.count('revision') !== i + 1);
  if (missing >= 0) wrong(`every RUN leaf, the one of revision ${missing + 1} too`, 'another in its place');
  if (copies !== m.count('conflicts'))
    wrong(`${m.count('conflicts')} CONFLICT leaves, as its RUN leaf says`, `${copies}`);
  const stepHashes = steps.map((_, at) => hashes.subarray(32 * at, 32 * at + 32));
  checkTree('steps', { count: m.count('steps'), tree: m.text('tree') }, stepHashes, wrong);
  // A RUN leaf of before events were counted heeds none.
  const counted = m.count('events');
  const eventHashes = events.map(({ leafHash }) => leafHash);
  const tree = counted === null ? null : m.text('events_tree');
  checkTree('events', { count: counted ?? 0, tree }, eventHashes, wrong);
}

/** Every environment and scope that a step names is there: its leaf names it by the hash of its record. */
function checkSources({ sources }: RunRecords, records: readonly CheckedRecords[], tell: TellBundle): void {
  const there = new Set(
    records.filter(({ file }) => topicOfLog(file.log) === 'system').flatMap(({ hashes }) => hashes.map(hex)),
  );
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

/** Longest line of a file that is made of leaves: of a step with its redactions about 20 KB. */
const MAX_LINE_BYTES = 1 << 20;

/** Line by line: the first that differs is told. */
async function checkDerived(entry: ArchiveEntry, pieces: AsyncIterable<string>, tell: TellBundle): Promise<void> {
  const found = linesOf(entry, MAX_LINE_BYTES)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  let line = 0;
  const differs = (expected: string) =>
    tell({ code: 'DERIVED_MISMATCH', entry: entry.name, expected, found: 'something else' });
  for await (const piece of pieces) {
    for (const text of piece.slice(0, -1).split('\n')) {
      line++;
      const next = await found.next();
      const bytes = next.done === true ? null : next.value.bytes;
      if (bytes !== null && equalBytes(bytes, encoder.encode(text))) continue;
      differs(`line ${line}: what the records say`);
      return;
    }
  }
  if ((await found.next()).done !== true) differs(`nothing after line ${line}`);
}
