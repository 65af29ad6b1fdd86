import type { ReadLeaf } from './leaves.js';

/** What is odd about what producers sent: about them, never about us. */
export interface Anomalies {
  /** Spans that were sent again with other content; the first copy counts. */
  readonly conflicts: number;
  /** Steps that end before they start, or start over a minute after they came in. */
  readonly skewed: number;
  /** Times that a producer that should report fell silent, as Sworn recorded them. */
  readonly gaps: number;
}

export const NO_ANOMALIES: Anomalies = { conflicts: 0, skewed: 0, gaps: 0 };

/** As much as clocks of one network may differ. */
const SKEW_MS = 60_000;

/** Counts the anomalies of leaves from an index on. */
export function countAnomalies(leaves: readonly ReadLeaf[], from: number): Anomalies {
  let [conflicts, skewed, gaps] = [0, 0, 0];
  for (const { row, said } of leaves) {
    if (row.index < from) continue;
    if (row.kind === 'CONFLICT') conflicts++;
    else if (row.kind === 'GAP') {
      if (said.text('event_name') === 'sworn.producer.silent') gaps++;
    } else if (row.kind === 'STEP') {
      const [started, ended] = [said.text('started_ns') ?? '', said.text('ended_ns') ?? ''];
      const isBackwards =
        ended !== '' && (ended.length < started.length || (ended.length === started.length && ended < started));
      if (isBackwards || isAhead(row.occurredAt, row.recordedAt)) skewed++;
    }
  }
  return { conflicts, skewed, gaps };
}

/** Times that are written alike compare as texts, which few are let through by. */
function isAhead(occurredAt: string, recordedAt: string): boolean {
  return occurredAt > recordedAt && Date.parse(occurredAt) - Date.parse(recordedAt) > SKEW_MS;
}

export function sumOf(a: Anomalies, b: Anomalies): Anomalies {
  return { conflicts: a.conflicts + b.conflicts, skewed: a.skewed + b.skewed, gaps: a.gaps + b.gaps };
}
