import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileGovernance, GovernanceRefused, type GovernanceRules } from '../otlp/map/governanceRules.js';
import { type Attribution, AttributionRefused, compileAttribution } from '../otlp/map/attribution.js';
import { compileVocabulary, type Vocabulary, VocabularyRefused } from '../otlp/map/vocabulary.js';
import { compileProducers, type ExpectedProducer, ProducersRefused } from '../otlp/map/producerRules.js';
import { compileTelemetryRules, type TelemetryRules, TelemetryRulesRefused } from '../otlp/map/telemetryRules.js';
import { compileMapping, MappingRefused } from '../otlp/map/compile.js';
import type { Mapping } from '../otlp/map/tables.js';
import { described, FileUnusable, readDocument, readRules } from './document.js';

/** The mapping that comes with Sworn: in the repository's `config/`. */
export const BUILT_IN_MAPPING = fileURLToPath(new URL('../../../../config/mapping/', import.meta.url));

/** The vocabulary of log records that comes with Sworn. */
export const BUILT_IN_VOCABULARY = fileURLToPath(new URL('../../../../config/audit-vocabulary.yaml', import.meta.url));

/** How metrics are read, as it comes with Sworn. */
export const BUILT_IN_TELEMETRY = fileURLToPath(new URL('../../../../config/telemetry.yaml', import.meta.url));

/** The rules of governance that come with Sworn. */
export const BUILT_IN_GOVERNANCE = fileURLToPath(new URL('../../../../config/governance.yaml', import.meta.url));

/** The rules of attribution that come with Sworn. */
export const BUILT_IN_ATTRIBUTION = fileURLToPath(new URL('../../../../config/attribution.yaml', import.meta.url));

/** Who should report, as it comes with Sworn: nobody. */
export const BUILT_IN_PRODUCERS = fileURLToPath(new URL('../../../../config/producers.yaml', import.meta.url));

/**
 * Reads and compiles the mapping in a directory: all its `*.yaml`.
 * @throws an error that names file and line of every mistake.
 */
export function readMapping(directory: string): Mapping {
  const of = 'the mapping (SWORN_MAPPING_DIR)';
  const names = namesIn(directory, of);
  const documents = names.map((name) => readDocument(directory, name, of));
  try {
    return compileMapping(documents);
  } catch (error) {
    if (!(error instanceof MappingRefused)) throw error;
    throw new FileUnusable(
      of,
      error.mistakes.map((mistake) => described(directory, mistake, documents)),
    );
  }
}

function namesIn(directory: string, of: string): readonly string[] {
  let names: readonly string[];
  try {
    names = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new FileUnusable(of, [`${directory} cannot be read (${code}): name a directory that can, or leave it out`]);
  }
  if (names.length > 0) return names.toSorted();
  throw new FileUnusable(of, [`${directory} holds no *.yaml: it is the whole mapping, in place of the built-in one`]);
}

/**
 * Reads and compiles a vocabulary of log records.
 * @throws an error that names file and line of every mistake.
 */
export function readVocabulary(path: string): Vocabulary {
  return readRules(path, { of: 'the vocabulary', compile: compileVocabulary, Refused: VocabularyRefused });
}

/**
 * Reads and compiles rules of governance.
 * @throws an error that names file and line of every mistake.
 */
export function readGovernance(path: string): GovernanceRules {
  return readRules(path, { of: 'the rules of governance', compile: compileGovernance, Refused: GovernanceRefused });
}

/**
 * Reads and compiles how metrics are read for a run.
 * @throws an error that names file and line of every mistake.
 */
export function readTelemetryRules(path: string): TelemetryRules {
  return readRules(path, {
    of: 'the telemetry rules (SWORN_TELEMETRY_FILE)',
    compile: compileTelemetryRules,
    Refused: TelemetryRulesRefused,
  });
}

/**
 * Reads and compiles rules of attribution.
 * @throws an error that names file and line of every mistake.
 */
export function readAttribution(path: string): Attribution {
  return readRules(path, { of: 'the rules of attribution', compile: compileAttribution, Refused: AttributionRefused });
}

/**
 * Reads and compiles who should report.
 * @throws an error that names file and line of every mistake.
 */
export function readProducers(path: string): readonly ExpectedProducer[] {
  return readRules(path, {
    of: 'the list of producers (SWORN_PRODUCERS_FILE)',
    compile: compileProducers,
    Refused: ProducersRefused,
  });
}
