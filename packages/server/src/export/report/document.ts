import { type Block, type Fact, type Row, said, type Value } from './block.js';
import { custody, integrity } from './custody.js';
import { durationText, grouped, many, moneyText, timeText, wordsOf } from './figures.js';
import type { Form } from './form.js';
import { contentLines, happenedTable, recordLines, timeLines } from './happened.js';
import { beyond, namedTable } from './named.js';
import { notShown } from './notShown.js';
import type { Report } from './report.js';

/** A report, part by part: the same words for every form that it has. */
export function* documentOf(report: Report, form: Form): Generator<Block> {
  yield* opening(report);
  yield { kind: 'heading', text: 'What happened' };
  yield HOW_TO_READ;
  yield* happened(report, form);
  yield* notShown(report, form.notes);
  yield* custody(report);
  yield* integrity(report);
  yield* checking();
}

/** How rows of what happened are to be read. */
export const HOW_TO_READ: Block = {
  kind: 'paragraph',
  text: 'Times are those that the application reported, in UTC; when each record was written, by the clock of the log, stands below. A record is named by its log and place there, and by the SHA-256 of its bytes. A step is one operation: a call of a model, of a tool, a decision of an agent. Governance is what was reported of rules, approvals and limits. System records are what happened around the run.',
};

/** What happened in a run, who was involved and what it cost. */
export function* happened(report: Report, form: Form): Generator<Block> {
  yield happenedTable(report, form);
  yield* decisions(report, form);
  yield* involved(report);
  yield* cost(report);
}

/** That a report is none of the evidence. */
export const NOTICE: Block = {
  kind: 'notice',
  text: 'This report is for reading. It is no evidence by itself: the records are. They are in the bundle that this file came in, under data/records, and anyone can check that they are unchanged without trusting this file, or whoever made it.',
};

function* opening(report: Report): Generator<Block> {
  yield { kind: 'title', text: 'Report on a run of an AI system', about: report.envelope.run_id };
  yield NOTICE;
  yield { kind: 'heading', text: 'Summary' };
  yield summary(report);
}

/** What a run was, in facts. */
export function summary({ envelope: run, statement, governance }: Report): Block {
  const turn = run.inflection;
  const facts: readonly (readonly [string, Value])[] = [
    ['Run', said(run.run_id)],
    ['Tenant', said(statement.scope.tenant_id, { mono: true })],
    ['Status', said(joined([run.execution_status, run.outcome].map(wordOrNone)), { strong: true })],
    ['Ended because', said(run.termination_reason)],
    ['Waiting for', said(run.waiting_for)],
    ['Began', said(`${timeText(run.started_at)} UTC`)],
    ['Ended', said(run.completed_at === null ? null : `${timeText(run.completed_at)} UTC`)],
    ['Duration', said(durationText(run.duration_ms))],
    ['Turning point', said(turn === null ? null : `${wordsOf(turn.reason)}, ${timeText(turn.timestamp)} UTC`)],
    ['Carried out by', said(joined([wordOrNone(run.executor_type), run.executor_id]))],
    ['On behalf of', said(run.human_actor_id)],
    ['Service', said(joined([run.service, run.environment, run.release]))],
    ['Model', said(joined([run.model, run.provider]))],
    ['Steps', said(run.total_steps === null ? null : grouped(run.total_steps))],
    ['Governance', said(many(governance.length, 'event'))],
    ['Cost', said(moneyText(run.cost_usd) ?? 'not known')],
    ['Conversation', said(run.conversation_id)],
    ['Correlation', said(run.correlation_id)],
    ['Incidents', said(run.incident_ids.join(', '), { max: 1_000 })],
    ['Trace', said(run.trace_id, { mono: true })],
    ['Made-up data', said(run.is_synthetic ? 'yes: this run is synthetic' : null)],
  ];
  return { kind: 'facts', facts: factsOf(facts) };
}

/** Those of which something is said. */
export function factsOf(facts: readonly (readonly [string, Value])[]): Fact[] {
  return facts.filter(([, value]) => value.length > 0).map(([term, value]) => ({ term, value }));
}

function wordOrNone(code: string | null): string | null {
  return code === null ? null : wordsOf(code);
}

function joined(texts: readonly (string | null)[]): string {
  return texts.filter((text) => text !== null && text !== '').join(' · ');
}

function* decisions(report: Report, form: Form): Generator<Block> {
  yield { kind: 'heading', text: 'Governance decisions' };
  if (report.governance.length === 0) {
    yield {
      kind: 'paragraph',
      text: 'No record of this run tells of a rule, an approval or a limit. That nothing was reported does not say that nothing was decided.',
    };
    return;
  }
  yield {
    kind: 'paragraph',
    text: 'Decisions are repeated here as they were reported; none was taken by the log. “Derived” is what the log itself concluded from two of them, as when a refusal was overridden.',
  };
  yield {
    kind: 'table',
    caption: 'What was said of rules, in the order of time',
    columns: [
      { head: 'Time (UTC)', share: 18 },
      { head: 'Decision', share: 15 },
      { head: 'Rule', share: 20 },
      { head: 'Detail', share: 26 },
      { head: 'Record', share: 21 },
    ],
    rows: decisionRows(report, form.decisions),
  };
}

async function* decisionRows({ governance, contentOf, directory }: Report, most: number): AsyncGenerator<Row> {
  for (const one of governance.slice(0, most)) {
    const content = await contentOf(one.log, one.leaf_index);
    const unit = one.unit === null ? '' : ` ${one.unit}`;
    yield [
      timeLines(one.timestamp, one.recorded_at),
      [
        ...said(wordsOf(one.decision), { strong: true }),
        ...said(wordsOf(one.category ?? one.event_type)),
        ...said(one.native?.value, { label: 'as sent' }),
        ...said(wordOrNone(one.enforced), { label: 'enforced' }),
      ],
      [
        ...said(joined([one.policy_id, one.policy_version]), { strong: true }),
        ...said(one.rule_id, { label: 'rule' }),
        ...said(one.event_name, { label: 'event' }),
        ...said(one.rule, { label: 'read by' }),
      ],
      [
        ...said(content?.name),
        ...said(joined([wordOrNone(one.actor_type), one.actor_id]), { label: 'by' }),
        ...said(one.enforced_by, { label: 'enforced by' }),
        ...said(one.observed === null ? null : `${one.observed}${unit}`, { label: 'observed' }),
        ...said(one.threshold === null ? null : `${one.threshold}${unit}`, { label: 'limit' }),
        ...said(one.tool, { label: 'tool' }),
        ...said(one.step_index === null ? null : `no. ${grouped(one.step_index)}`, { label: 'step' }),
        ...said(one.incident_id, { label: 'incident' }),
        ...said(wordsOf(one.reported_by), { label: 'reported by' }),
        ...said(one.events_left_out === 0 ? null : one.events_left_out, {
          label: 'further events of this step, which only its content tells',
        }),
        ...contentLines(content),
      ],
      recordLines(one),
    ];
  }
  const left = governance.length - most;
  if (left > 0)
    yield {
      left: `${many(left, 'further event')}, which this file does not show: ${directory}/governance.json and data/report.html have all`,
    };
}

function* involved({ envelope: run, survey }: Report): Generator<Block> {
  yield { kind: 'heading', text: 'Who and what was involved' };
  yield {
    kind: 'paragraph',
    text: 'A person appears as a token (tok_…): the records hold no name. Whoever runs the log can say whom a token stands for, unless that was erased.',
  };
  yield* namedTable('Persons', 'Token', survey.humans);
  yield* namedTable('Agents', 'Agent', survey.agents);
  yield* namedTable('Tools', 'Tool', survey.tools);
  if (run.environment_fingerprint !== null)
    yield {
      kind: 'facts',
      facts: [{ term: 'Environment', value: said(run.environment_fingerprint, { mono: true }) }],
    };
}

function* cost({ envelope: run, survey }: Report): Generator<Block> {
  yield { kind: 'heading', text: 'Tokens and cost' };
  yield {
    kind: 'facts',
    facts: factsOf([
      ['Tokens in', said(run.input_tokens === null ? 'not said' : grouped(run.input_tokens))],
      ['Tokens out', said(run.output_tokens === null ? 'not said' : grouped(run.output_tokens))],
      ['of them cached', said(run.cached_tokens === null ? null : grouped(run.cached_tokens))],
      ['of them reasoning', said(run.reasoning_tokens === null ? null : grouped(run.reasoning_tokens))],
      ['Cost', said(moneyText(run.cost_usd) ?? 'not known', { strong: true })],
      ['How it is known', said(COST_SOURCES[run.cost_source] ?? run.cost_source)],
      ['Reported', said(moneyText(run.reported_cost_usd))],
      ['Computed', said(moneyText(run.priced_cost_usd))],
      ['Prices from', said(run.price_book)],
      ['Calls without a price', said(run.unpriced_calls === 0 ? null : run.unpriced_calls)],
    ]),
  };
  if (survey.models.items.length === 0) return;
  yield {
    kind: 'table',
    caption: 'Models, by what their steps say',
    columns: [
      { head: 'Model', share: 34 },
      { head: 'Steps', share: 12 },
      { head: 'Tokens in', share: 15 },
      { head: 'Tokens out', share: 15 },
      { head: 'Cost', share: 24 },
    ],
    rows: [
      ...survey.models.items.map((one) => [
        [...said(one.model, { strong: true }), ...said(one.provider)],
        said(grouped(one.steps)),
        said(grouped(one.inputTokens)),
        said(grouped(one.outputTokens)),
        [
          ...said(moneyText(one.reported.usd), { label: 'reported' }),
          ...said(moneyText(one.priced.usd), { label: 'computed' }),
        ],
      ]),
      ...beyond(survey.models),
    ],
  };
  yield {
    kind: 'paragraph',
    text: `Steps may tell of one call twice, as when a framework and a client both report it. The totals above count such a call once (${many(run.merged_calls ?? 0, 'step')} merged); this table counts what was said.`,
  };
}

const COST_SOURCES: Readonly<Record<string, string>> = {
  REPORTED: 'as the application reported it',
  PRICED: 'computed by the log, of tokens and published prices',
  UNKNOWN: 'no cost was reported, and no price is known',
};

/** How a reader checks it. */
export function* checking(): Generator<Block> {
  yield { kind: 'heading', text: 'How to check' };
  yield {
    kind: 'paragraph',
    text: 'Get the verifier key of the log from whoever runs it, by another way than this bundle, and compare its fingerprint with the one above. Then, on any computer, without a network:',
  };
  yield { kind: 'code', text: 'node verify.mjs bundle.zip --key FILE\nsworn verify bundle.zip --key FILE' };
  yield {
    kind: 'paragraph',
    text: 'Either says of every record whether it is unchanged and lies under the signed root. VERIFY.md in the bundle tells how to check part by part with tools that have nothing to do with this log: sha256sum, openssl, Python, any reader of transparency logs.',
  };
  yield {
    kind: 'notice',
    text: 'What no check can say: that what the application reported was true. The records say which key reported it and when it was written down, and that nothing changed since.',
  };
}
