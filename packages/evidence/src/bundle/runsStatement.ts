import type { StatementHead, StatementOf } from './statementHead.js';
import { countOf, type Fields, objectOf, textOf, wrong } from './statementFields.js';

/** By what runs belong together: each is a member of their RUN leaves (`belongsTo`). */
export const RUN_BONDS = ['CONVERSATION', 'INCIDENT', 'SUBJECT'] as const;

/** One of them. */
export type RunBond = (typeof RUN_BONDS)[number];

/** A bundle of the runs of one conversation, incident or subject. */
export interface RunsScope {
  readonly kind: 'RUNS';
  readonly tenant_id: string;
  readonly by: RunBond;
  /** Of a subject the token that stands for him. */
  readonly value: string;
}

/** A run of such a bundle, and the RUN leaf that says what the run is. Its files lie under `data/runs/<place in the list, from 1>/`. */
export interface StatedRun {
  readonly run_id: string;
  readonly complete_by: { readonly log: string; readonly leaf_index: number; readonly checksum: string };
}

/**
 * Why a run that is known to belong is not there. NOT_SEALED: it was open, or what ties it had not been looked at when it was sealed. NOT_FOUND: a record
 * ties a run of this name, and there is none.
 */
export const REASONS_LEFT_OUT = ['NOT_SEALED', 'NOT_FOUND'] as const;

/** One of them. */
export type ReasonLeftOut = (typeof REASONS_LEFT_OUT)[number];

/** A run that is not there, as whoever made the bundle says. */
export interface LeftOutRun {
  readonly run_id: string;
  readonly reason: ReasonLeftOut;
}

/** What a bundle of several runs says that it is. */
export interface RunsStatement extends StatementOf<RunsScope> {
  /** In the order in which they were opened. */
  readonly runs: readonly StatedRun[];
  /** In the order of their ids. */
  readonly left_out: readonly LeftOutRun[];
  /** Nothing in a bundle proves that the log has no other run that belongs: its other records are not there. */
  readonly others: 'NOT_PROVEN';
}

/** @throws Malformed `statement` */
export function readRunsStatement(said: Fields, { format, disclosure, logs }: StatementHead): RunsStatement {
  const scope = objectOf(said.scope);
  const by = RUN_BONDS.find((one) => one === scope.by);
  if (by === undefined) throw wrong(`its runs belong together by none of ${RUN_BONDS.join(', ')}`);
  if (said.others !== 'NOT_PROVEN') throw wrong('it says that no other run belongs to it, which nothing in it proves');
  const [runs, leftOut] = [listOf(said, 'runs').map(statedRun), listOf(said, 'left_out').map(leftOutRun)];
  if (new Set([...runs, ...leftOut].map(({ run_id }) => run_id)).size !== runs.length + leftOut.length)
    throw wrong('it names a run twice');
  if (runs.length === 0) throw wrong('it names no run');
  return {
    format,
    scope: { kind: 'RUNS', tenant_id: textOf(scope, 'tenant_id'), by, value: textOf(scope, 'value') },
    disclosure,
    logs,
    runs,
    left_out: leftOut,
    others: 'NOT_PROVEN',
  };
}

function statedRun(value: unknown): StatedRun {
  const run = objectOf(value);
  const by = objectOf(run.complete_by);
  return {
    run_id: textOf(run, 'run_id'),
    complete_by: {
      log: textOf(by, 'log'),
      leaf_index: countOf(by, 'leaf_index'),
      checksum: textOf(by, 'checksum'),
    },
  };
}

function leftOutRun(value: unknown): LeftOutRun {
  const run = objectOf(value);
  const reason = REASONS_LEFT_OUT.find((one) => one === run.reason);
  if (reason === undefined) throw wrong(`a run is left out for none of ${REASONS_LEFT_OUT.join(', ')}`);
  return { run_id: textOf(run, 'run_id'), reason };
}

function listOf(fields: Fields, name: string): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw wrong(`${name} is no list`);
  return value;
}
