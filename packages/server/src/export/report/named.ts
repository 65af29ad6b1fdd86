import { type Block, type Row, said } from './block.js';
import { many } from './figures.js';
import { MAX_NAMES, type Named, type Tally } from './survey.js';

/** A table of names of one sort; of none, none. */
export function* namedTable(caption: string, head: string, tally: Tally<Named>): Generator<Block> {
  if (tally.items.length === 0) return;
  yield {
    kind: 'table',
    caption,
    columns: [
      { head, share: 70 },
      { head: 'Named by', share: 30 },
    ],
    rows: [...tally.items.map(({ name, count }) => [said(name), said(many(count, 'record'))]), ...beyond(tally)],
  };
}

/** What a list of names leaves out. */
export function beyond({ elsewhere }: Tally<unknown>): Row[] {
  if (elsewhere === 0) return [];
  return [{ left: `${many(elsewhere, 'record')} beyond these name others: a report lists ${MAX_NAMES} of a sort` }];
}
