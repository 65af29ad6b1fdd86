import {
  decodeLeaf,
  drawSample,
  type Drawable,
  hex,
  LOG_SCOPES,
  logsFiles,
  type LogsStatement,
  type PeriodRange,
  topicOfLog,
} from '@sworn/evidence';
import { type Beside, boundaryOf } from './beside.js';
import { checkDerived } from './derived.js';
import type { BundleFiles } from './files.js';
import type { TellBundle } from './finding.js';
import type { CheckedRecords } from './records.js';
import type { OlderBundle, ScopeRules } from './scope.js';

const STATEMENT = 'data/statement.json';

/** How a bundle of logs, in a period, is looked at. */
export const LOGS_RULES: ScopeRules<LogsStatement> = {
  derived: ['events.csv'],
  needed: ({ complete_by }) =>
    complete_by.flatMap((range) => (boundaryOf(range).length > 0 ? [`proofs/${range.log}/boundary.ndjson`] : [])),
  check: checkLogs,
  checkOlder,
  about: ({ scope: { logs, from, to, sample }, population }) =>
    `${logs} logs from ${from} to ${to}${sample === null ? '' : `, ${Math.min(sample.size, population)} drawn of ${population}`}`,
  facts: ({ scope: { logs, from, to, sample }, population }) => [
    ['Logs', logs],
    ['Recorded from', from],
    ['Recorded before', to],
    ['Records of the period', `${population}`],
    ...(sample === null ? [] : [['Drawn', `${sample.size}, by the nonce ${sample.nonce ?? 'none'}`] as const]),
  ],
  isComplete: 'complete for the period',
  unproven,
  recordedAs: ({ scope: { kind, logs, from, to, sample } }) => ({ scope: { kind, logs, from, to, sample } }),
};

/** Up to where each log is complete, and what nothing is proven of. */
function unproven({ complete_by, logs, uncovered, scope }: LogsStatement): readonly string[] {
  return [
    ...complete_by
      .filter(({ after }) => after === null)
      .map(({ log }) => {
        const size = logs.find((one) => one.log === log)?.size ?? 0;
        return `${log} is complete up to its checkpoint of size ${size}: what was recorded later, before ${scope.to}, would not be here`;
      }),
    ...uncovered.map((topic) => `${topic}: no checkpoint of it was there, so nothing is proven of it`),
  ];
}

/** Holds the records against the period, the leaves around it and the draw. */
async function checkLogs(
  statement: LogsStatement,
  files: BundleFiles,
  records: readonly CheckedRecords[],
  tell: TellBundle,
): Promise<void> {
  checkTopics(statement, tell);
  for (const [at, read] of records.entries()) {
    const range = statement.complete_by[at];
    if (range?.log === read.file.log) await checkPeriod(statement, range, read, tell);
    else
      tell({
        code: 'STATEMENT_MALFORMED',
        entry: STATEMENT,
        expected: `the range of ${read.file.log}`,
        found: 'another',
      });
  }
  checkSample(statement, records, tell);
  const derived = logsFiles(records.map(({ file }) => file));
  await checkDerived(files, derived, tell);
}

/** Every topic of the scope is there, or is said to be of no checkpoint; and no other. */
function checkTopics({ scope, logs, complete_by, uncovered }: LogsStatement, tell: TellBundle): void {
  const expected: readonly string[] = LOG_SCOPES[scope.logs];
  const there = new Set(logs.map(({ log }) => topicOfLog(log) ?? log));
  const found = [...there, ...uncovered].toSorted();
  if (found.join() !== expected.join() || complete_by.length !== logs.length)
    tell({
      code: 'INCOMPLETE',
      entry: STATEMENT,
      expected: `each once: ${expected.join(', ')}`,
      found: found.join(', '),
    });
}

/** The leaves of a log are all that lie between two that do not belong to the period, or the log's begin and the checkpoint. */
async function checkPeriod(
  { scope: { from, to }, logs }: LogsStatement,
  range: PeriodRange,
  { file, proven, beside, lineOf }: CheckedRecords,
  tell: TellBundle,
): Promise<void> {
  const { log, first, count, before, after } = range;
  const pinned = logs.find((one) => one.log === log);
  const end = first + count;
  const [lowest, highest] = [before ?? first, after === null ? end : after + 1];
  const isWhole =
    before === (first === 0 ? null : first - 1) &&
    after === (end === pinned?.size ? null : end) &&
    proven.indexes[0] === lowest &&
    proven.indexes.length === highest - lowest &&
    lineOf.size + beside.withheld.size === count;
  if (!isWhole) {
    const expected = `leaves ${first} to ${end - 1} of ${log}, those just before and after them, and no other`;
    tell({ code: 'INCOMPLETE', entry: `proofs/${log}/range.json`, expected, found: 'other leaves' });
  }
  checkBoundary({ from, to }, { range, beside, origin: pinned?.origin ?? '' }, tell);
  let line = 0;
  for await (const bytes of file.leaves()) {
    const { recordedAt } = decodeLeaf(bytes);
    line++;
    if (recordedAt >= from && recordedAt < to) continue;
    const expected = `line ${line}: recorded from ${from} to before ${to}`;
    tell({ code: 'PERIOD_MISMATCH', entry: `data/records/${log}.ndjson`, expected, found: recordedAt });
  }
}

function checkBoundary(
  { from, to }: { readonly from: string; readonly to: string },
  { range, beside, origin }: { readonly range: PeriodRange; readonly beside: Beside; readonly origin: string },
  tell: TellBundle,
): void {
  for (const [index, leaf] of beside.boundary) {
    const isOutside = index === range.before ? leaf.recordedAt < from : leaf.recordedAt >= to;
    if (isOutside && leaf.origin === origin) continue;
    tell({
      code: 'PERIOD_MISMATCH',
      entry: `proofs/${range.log}/boundary.ndjson`,
      expected: `leaf ${index} of ${origin}, recorded ${index === range.before ? `before ${from}` : `at ${to} or later`}`,
      found: `${leaf.recordedAt} in ${leaf.origin}`,
    });
  }
}

/** Draws again: the leaves that are shown are those that were drawn, and the population is all of the period. */
function checkSample(
  { scope, population, complete_by }: LogsStatement,
  records: readonly CheckedRecords[],
  tell: TellBundle,
): void {
  const counted = complete_by.reduce((sum, { count }) => sum + count, 0);
  if (counted !== population)
    tell({
      code: 'COUNT_MISMATCH',
      entry: STATEMENT,
      expected: `${population} leaves of the period`,
      found: `${counted}`,
    });
  if (scope.sample === null) return;
  const { size, nonce } = scope.sample;
  const drawn = drawSample(drawables(records), { size, nonce: nonce ?? '' });
  for (const { file } of records) {
    const expected = drawn.get(file.log) ?? new Set<number>();
    const other = file.indexes.filter((index) => !expected.has(index));
    if (other.length === 0 && file.indexes.length === expected.size) continue;
    tell({
      code: 'SAMPLE_MISMATCH',
      entry: `data/records/${file.log}.ndjson`,
      expected: `the ${expected.size} leaves that the nonce draws`,
      found: other.length > 0 ? `leaf ${other[0]}, which it does not draw` : `${file.indexes.length} of them`,
    });
  }
}

function* drawables(records: readonly CheckedRecords[]): Generator<Drawable> {
  for (const { file, proven, beside, signed } of records) {
    if (signed === null) continue;
    for (const [at, index] of proven.indexes.entries()) {
      if (beside.boundary.has(index)) continue;
      yield { log: file.log, index, root: signed.checkpoint.root, leafHash: proven.hashes[at] as Uint8Array };
    }
  }
}

/** A sample is of what was fixed before its nonce was chosen: where the older bundle fixed it, of the very same roots. */
function checkOlder(
  { scope, logs }: LogsStatement,
  older: OlderBundle,
  records: readonly CheckedRecords[],
  tell: TellBundle,
): void {
  const before = older.statement.scope;
  if (scope.sample?.nonce == null || before.kind !== 'LOGS' || before.sample?.nonce !== null) return;
  if (before.logs !== scope.logs || before.from !== scope.from || before.to !== scope.to) return;
  for (const { log, size } of logs) {
    const signed = records.find(({ file }) => file.log === log)?.signed;
    const [expected, found] = [
      older.roots.get(log) ?? 'none',
      signed === undefined || signed === null ? 'none' : hex(signed.checkpoint.root),
    ];
    if (expected !== found)
      tell({
        code: 'SAMPLE_MISMATCH',
        entry: `proofs/${log}/checkpoint`,
        expected: `the root that was fixed before the nonce was chosen, ${expected}`,
        found: `${found} at size ${size}`,
      });
  }
}
