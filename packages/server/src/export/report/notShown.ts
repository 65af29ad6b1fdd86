import type { Block } from './block.js';
import { grouped, many } from './figures.js';
import { namedTable } from './named.js';
import type { Report } from './report.js';
import { CONTENT_CHARS, NAME_CHARS } from './text.js';

/** What is withheld, kept back, removed or cut: counted, and said where there is none of it. `ofForm`: what only this form of the report leaves out. */
export function* notShown(report: Report, ofForm: readonly string[]): Generator<Block> {
  yield { kind: 'heading', text: 'What is not shown' };
  yield { kind: 'list', items: [...kept(report), ...ofRun(report), ...CUTS, ...ofForm] };
  yield* removed(report);
}

/** The same of several runs, but for what is said of each run. */
export function* notShownOfAll(report: Kept, ofForm: readonly string[]): Generator<Block> {
  yield { kind: 'heading', text: 'What is not shown' };
  yield { kind: 'list', items: [...kept(report), ...CUTS, ...ofForm] };
  yield* removed(report);
}

/** What is told of the records of a bundle. */
type Kept = Pick<Report, 'survey'> & { readonly statement: Pick<Report['statement'], 'disclosure' | 'logs'> };

function removed({ survey }: Kept): Iterable<Block> {
  return namedTable('Values removed before anything was stored, by rule', 'Rule', survey.redaction.rules);
}

const DISCLOSED = {
  none: 'No content is disclosed in this bundle: prompts, answers, arguments, results, reasons and names of steps are not in it.',
  governance:
    'Content is disclosed of governance events alone; prompts, answers, arguments, results and names of steps are not in this bundle.',
  all: 'Content is disclosed of every record that has any and of which it was not erased.',
} as const;

function* kept({ statement, survey }: Kept): Generator<string> {
  const sum = (name: 'shown' | 'withheld' | 'disclosed' | 'undisclosed' | 'erased') =>
    statement.logs.reduce((total, log) => total + log[name], 0);
  yield DISCLOSED[statement.disclosure];
  yield `Records: ${grouped(sum('shown'))} are in the bundle whole, ${grouped(sum('withheld'))} as a bare hash (withheld).`;
  yield `Contents: ${grouped(sum('disclosed'))} are disclosed, ${grouped(sum('undisclosed'))} are kept back, ${grouped(sum('erased'))} were erased.`;
  const { records, unnamed } = survey.redaction;
  yield records === 0
    ? 'Redaction: no record in the bundle says that a value was removed.'
    : `Redaction: of ${many(records, 'record')} values were removed before anything was stored; nobody can bring them back.`;
  if (unnamed > 0) yield `Redaction: ${many(unnamed, 'record')} had more values removed than a record lists.`;
}

/** What of one run is missing or odd. */
export function* ofRun({ envelope, untimed, directory }: Report): Generator<string> {
  const { conflicts, foreign_steps, skewed_steps, cut_links, hints_left_out, steps_not_read } = envelope.anomalies;
  if ((conflicts ?? 0) > 0)
    yield `Contradictions: ${many(conflicts ?? 0, 'step was', 'steps were')} sent again with other content. The first copy is shown; the others are in the bundle too.`;
  if ((foreign_steps ?? 0) > 0)
    yield `${many(foreign_steps ?? 0, 'step was', 'steps were')} sent with a key that is bound to other services; they are kept, and change nothing.`;
  if ((skewed_steps ?? 0) > 0)
    yield `${many(skewed_steps ?? 0, 'step says', 'steps say')} times that do not fit those around them: clocks differed.`;
  if ((cut_links ?? 0) > 0) yield `${many(cut_links ?? 0, 'link')} between steps ran in a circle and was cut.`;
  if ((hints_left_out ?? 0) > 0)
    yield `${many(hints_left_out ?? 0, 'hint')} about which run a step belongs to had no room.`;
  if (steps_not_read > 0)
    yield `${many(steps_not_read, 'step')} beyond the bound of a run ${steps_not_read === 1 ? 'is' : 'are'} counted and in no total.`;
  if (envelope.root_missing) yield 'The first step of this run never arrived: what began it is not known.';
  if (untimed > 0)
    yield `${many(untimed, 'step says', 'steps say')} no time and ${untimed === 1 ? 'stands' : 'stand'} in no row above: ${directory}/trace.json has ${untimed === 1 ? 'it' : 'them'}.`;
}

const CUTS = [
  `A name is shown up to ${NAME_CHARS} characters, content up to ${grouped(CONTENT_CHARS)}; where there is more, the place says how much.`,
  'Characters that cannot be seen, or that change how others are seen (controls, direction marks, joiners without a use), are shown by their number, as U+202E.',
];
