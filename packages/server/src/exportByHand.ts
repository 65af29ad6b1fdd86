import type { LeftOutRun, Statement } from '@sworn/evidence';
import type { Config } from './config.js';
import type { Deployment } from './deployment.js';
import { exportDirectory, type Progress } from './export/core.js';
import {
  type Delivered,
  type ExportingDeps,
  type ExportRequest,
  exportRun,
  recordDelivery,
} from './export/exportRun.js';
import { type AsOfAsked, exportAsOf } from './export/asOf.js';
import { ExportRefused } from './export/refused.js';
import type { ExportAsked } from './export/kinds.js';
import { archiveSize, zipArchive } from './export/zipArchive.js';
import { Refusal } from './access/refusal.js';
import {
  BUILT_IN_ATTRIBUTION,
  BUILT_IN_GOVERNANCE,
  BUILT_IN_MAPPING,
  BUILT_IN_TELEMETRY,
  BUILT_IN_VOCABULARY,
  readAttribution,
  readGovernance,
  readMapping,
  readTelemetryRules,
  readVocabulary,
} from './mapping/files.js';
import type { ReadDeps } from './read/reading.js';
import { createReadDeps } from './readDeps.js';

/** A bundle that was made for a command, and was not handed out yet. */
export interface MadeBundle {
  readonly exportId: string;
  /** SHA-256 of `manifest-sha256.txt`, hex. */
  readonly manifest: string;
  /** How long what leaves will be. */
  readonly bytes: Readonly<Record<Delivered, number>>;
  readonly isAttested: boolean;
  /** How many runs it has, and which belong and are not in it. Null: it is of one run alone, or of none. */
  readonly several: { readonly runs: number; readonly leftOut: readonly LeftOutRun[] } | null;
  /** The archive, or its spans as OTLP/JSON alone; that it left is recorded before its first byte. */
  deliver(as: Delivered): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** Which bundle a command asks for. */
export type ByHand = (ExportAsked | AsOfAsked) & {
  /** Who runs the command. */
  readonly actor: string;
};

/**
 * Makes a bundle for whoever has the deployment in his hands.
 * @throws RangeError, with a sentence for him, when there is none
 */
export async function exportByHand(
  deployment: Deployment,
  config: Config,
  { actor, ...asked }: ByHand,
  tell: (progress: Progress) => void,
): Promise<MadeBundle> {
  const deps = exportingDeps(deployment, config);
  const request: ExportRequest = {
    endpoint: 'cli:export',
    method: 'CLI',
    credential: null,
    source: actor,
    purpose: null,
  };
  const making =
    'asOf' in asked ? exportAsOf(deps, asked, request, { tell }) : exportRun(deps, asked, request, { tell });
  const made = await making.catch((error: unknown) => {
    if (error instanceof Refusal || error instanceof ExportRefused) throw new RangeError(error.message);
    throw error;
  });
  const spans = made.files.find(({ name }) => name === 'data/spans.otlp.json');
  const bytes = { zip: archiveSize(made.files), otlp: spans?.size ?? 0 };
  return {
    exportId: made.exportId,
    manifest: made.core.manifest,
    bytes,
    isAttested: made.attestation !== null,
    several: severalOf(made.core.statement),
    async *deliver(as) {
      if (as === 'otlp' && spans === undefined) throw new RangeError('spans are there only where all is disclosed');
      await recordDelivery(deps, made, request, { as, bytes: bytes[as] });
      yield* as === 'otlp' ? (spans?.chunks() ?? []) : zipArchive(made.files);
    },
    close: () => made.core.close(),
  };
}

function severalOf(statement: Statement): MadeBundle['several'] {
  return 'runs' in statement ? { runs: statement.runs.length, leftOut: statement.left_out } : null;
}

/** What exporting needs of a deployment. */
export function exportingDeps(deployment: Deployment, config: Config): ExportingDeps {
  const read = createReadDeps(deployment, {
    mapping: readMapping(config.mappingDir ?? BUILT_IN_MAPPING),
    telemetryRules: readTelemetryRules(config.telemetryFile ?? BUILT_IN_TELEMETRY),
    vocabulary: readVocabulary(BUILT_IN_VOCABULARY),
    governance: readGovernance(BUILT_IN_GOVERNANCE),
    attribution: readAttribution(BUILT_IN_ATTRIBUTION),
  });
  return exportingDepsOf(deployment, config, read);
}

/** The same, of a server that reads already. */
export function exportingDepsOf(deployment: Deployment, config: Config, read: ReadDeps): ExportingDeps {
  return {
    read,
    signingKeysOf: deployment.signingKeysOf,
    directory: exportDirectory(config.dataDir),
    accessRecords: deployment.accessRecords,
    append: (tenantId, drafts) => deployment.recorder.append(tenantId, drafts),
    attestation: deployment.keyStore.attestation,
    now: Date.now,
  };
}
