import type { RunBond } from '@sworn/evidence';
import { type Block, type Row, said, type Value } from './block.js';
import { coveredBy, integrity, sealedBy, sentBy } from './custody.js';
import { checking, factsOf, happened, HOW_TO_READ, NOTICE, summary } from './document.js';
import { grouped, many, moneyText, timeText, wordsOf } from './figures.js';
import type { Form } from './form.js';
import { notShownOfAll, ofRun } from './notShown.js';
import type { RunInShort, RunsReport } from './runsReport.js';

/** What one form of a report on several runs can show. */
export interface RunsForm extends Form {
  /** Runs that are shown one by one: the first. */
  readonly runs: number;
}

const BONDS: Readonly<Record<RunBond, { readonly name: string; readonly says: string }>> = {
  CONVERSATION: { name: 'conversation', says: 'its sealing record names the conversation' },
  INCIDENT: { name: 'incident', says: 'its sealing record, a step or an event of it names the incident' },
  SUBJECT: { name: 'subject', says: 'its sealing record names the person, by the token that stands for him' },
};

/** What the report is on, in words. */
export function titleOf({ statement: { scope } }: Pick<RunsReport, 'statement'>): string {
  return `${BONDS[scope.by].name} ${scope.value}`;
}

/** A report on several runs, part by part: what they have in common, then each of them, then what is said of all records. */
export async function* runsDocumentOf(report: RunsReport, form: RunsForm): AsyncGenerator<Block> {
  yield* opening(report);
  for (const place of report.runs.slice(0, form.runs).keys()) yield* oneRun(report, place, form);
  yield* notShownOfAll(report, form.notes);
  yield* sentBy(report);
  yield* coveredBy(report);
  yield* integrity(report);
  yield* checking();
}

function* opening({ statement, runs }: RunsReport): Generator<Block> {
  const { name, says } = BONDS[statement.scope.by];
  yield { kind: 'title', text: `Report on the runs of one ${name}`, about: statement.scope.value };
  yield NOTICE;
  yield { kind: 'heading', text: 'Summary' };
  const ends = runs.flatMap(({ endedAt }) => endedAt ?? []);
  yield {
    kind: 'facts',
    facts: factsOf([
      [name.slice(0, 1).toUpperCase() + name.slice(1), said(statement.scope.value)],
      ['Tenant', said(statement.scope.tenant_id, { mono: true })],
      ['Runs', said(grouped(runs.length), { strong: true })],
      ['Known and not here', said(statement.left_out.length === 0 ? null : grouped(statement.left_out.length))],
      ['First began', said(timeOf(runs.map(({ startedAt }) => startedAt).sort()[0]))],
      ['Last ended', said(timeOf(ends.sort().at(-1)))],
      ['Steps', said(grouped(runs.reduce((sum, { steps }) => sum + steps, 0)))],
      [
        'Governance',
        said(
          many(
            runs.reduce((sum, { events }) => sum + events, 0),
            'event',
          ),
        ),
      ],
      ['Cost', costOf(runs)],
    ]),
  };
  yield {
    kind: 'paragraph',
    text: `A run is here because ${says}; each is here whole, as far as its sealing record counts. That the log has no other run of this ${name} is not proven by anything in this bundle: whoever made it looked through every record of the log, and says so. Who doubts it has to look at the log.`,
  };
  yield {
    kind: 'table',
    caption: 'The runs, in the order in which they were opened',
    columns: [
      { head: 'No.', share: 6 },
      { head: 'Run', share: 34 },
      { head: 'Began and ended (UTC)', share: 24 },
      { head: 'Status', share: 14 },
      { head: 'Steps, events', share: 10 },
      { head: 'Cost', share: 12 },
    ],
    rows: runs.map(rowOf),
  };
  if (statement.left_out.length === 0) return;
  yield {
    kind: 'table',
    caption: 'Runs that are known to belong and are not here',
    columns: [
      { head: 'Run', share: 50 },
      { head: 'Why', share: 50 },
    ],
    rows: statement.left_out.map(({ run_id, reason }) => [said(run_id), said(REASONS[reason])]),
  };
}

const REASONS = {
  NOT_SEALED: 'it was open, or was not sealed since a record tied it: nothing said yet of how many steps it is',
  NOT_FOUND: 'a record ties a run of this name, and the log has none',
} as const;

function timeOf(time: string | undefined): string | null {
  return time === undefined ? null : `${timeText(time)} UTC`;
}

function rowOf(run: RunInShort, place: number): Row {
  return [
    said(grouped(place + 1)),
    said(run.runId, { strong: true }),
    [...said(timeText(run.startedAt)), ...said(run.endedAt === null ? null : timeText(run.endedAt))],
    [...said(wordsOf(run.status), { strong: true }), ...said(run.outcome === null ? null : wordsOf(run.outcome))],
    [...said(many(run.steps, 'step')), ...said(many(run.events, 'event'))],
    said(moneyText(run.costUsd)),
  ];
}

/** Of the runs of which a cost is known, exact. */
function costOf(runs: readonly RunInShort[]): Value {
  const known = runs.flatMap(({ costUsd }) => costUsd ?? []);
  if (known.length === 0) return said('not known');
  const nano = known.reduce((sum, usd) => sum + BigInt(usd.replace('.', '')), 0n);
  const digits = String(nano).padStart(10, '0');
  const sum = moneyText(`${digits.slice(0, -9)}.${digits.slice(-9)}`);
  return said(
    known.length === runs.length ? sum : `${sum}, of ${many(known.length, 'run')}; of the others it is not known`,
  );
}

/** Headings of a run's own part stand one level below that of the run. */
async function* oneRun(report: RunsReport, place: number, form: RunsForm): AsyncGenerator<Block> {
  const run = await report.reportAt(place);
  yield { kind: 'heading', text: `Run ${grouped(place + 1)} of ${grouped(report.runs.length)}` };
  yield summary(run);
  if (place === 0) yield HOW_TO_READ;
  for (const block of happened(run, form))
    yield block.kind === 'heading' ? { kind: 'subheading', text: block.text } : block;
  const missing = [...ofRun(run)];
  if (missing.length > 0) yield { kind: 'list', items: missing };
  yield sealedBy(run);
}
