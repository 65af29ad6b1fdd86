import { fsck as fsckOf } from '@sworn/server';
import type { StageCopy } from './stage.js';

/** One finding, as `sworn fsck` tells it. */
export interface Told {
  readonly tenantId: string;
  readonly log: string;
  readonly index: number | null;
  readonly check: string;
  readonly code: string;
  readonly table: string;
  readonly expected: string;
  readonly found: string;
}

/** What the checks said of a deployment, and what it cost. */
export interface Report {
  readonly seconds: number;
  /** Leaves that were looked at. */
  readonly leaves: number;
  /** Bytes of leaves and bodies. */
  readonly bytes: number;
  readonly findings: readonly Told[];
  readonly advisories: readonly Told[];
}

/** Runs every check on a copy of the stage: what `sworn fsck` does. */
export async function fsck({ config }: StageCopy): Promise<Report> {
  const begun = performance.now();
  const { leaves, bytes, findings, advisories } = await fsckOf(config, { tenant: null, log: null });
  return { seconds: (performance.now() - begun) / 1000, leaves, bytes, findings, advisories };
}
