import { auditDatabase } from '../audit.js';
import type { Stage, StageCopy } from './stage.js';

/** One finding, as `sworn fsck --json` tells it. */
export interface Told {
  readonly tenantId: string;
  readonly log: string;
  readonly index: number | null;
  readonly check: string;
  readonly code: string;
  readonly detail: string;
}

/** What the checks said of a deployment, and what it cost. */
export interface Report {
  readonly complete: boolean;
  readonly seconds: number;
  /** Leaves of the logs that were looked at. */
  readonly leaves: number;
  readonly findings: readonly Told[];
  readonly advisories: readonly Told[];
}

/** Runs every check on a copy of the stage. */
export async function fsck(stage: Stage, copy: StageCopy): Promise<Report> {
  const begun = performance.now();
  const { problems, logs } = await auditDatabase({
    connection: copy.connection,
    deploymentId: stage.deploymentId,
    keyDir: stage.keyDir,
    signerDir: copy.signerDir,
  });
  return {
    complete: true,
    seconds: (performance.now() - begun) / 1000,
    leaves: logs.reduce((sum, { size }) => sum + size, 0),
    findings: problems.map((detail) => ({ tenantId: '', log: '', index: null, check: '', code: '', detail })),
    advisories: [],
  };
}
