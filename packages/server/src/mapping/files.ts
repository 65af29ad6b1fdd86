import { readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compileGovernance, GovernanceRefused, type GovernanceRules } from '../otlp/map/governanceRules.js';
import { type Attribution, AttributionRefused, compileAttribution } from '../otlp/map/attribution.js';
import { compileVocabulary, type Vocabulary, VocabularyRefused } from '../otlp/map/vocabulary.js';
import { compileProducers, type ExpectedProducer, ProducersRefused } from '../otlp/map/producerRules.js';
import { compileTelemetryRules, type TelemetryRules, TelemetryRulesRefused } from '../otlp/map/telemetryRules.js';
import { compileMapping, MappingRefused } from '../otlp/map/compile.js';
import type { Mapping } from '../otlp/map/tables.js';
import { described, FileUnusable, readDocument } from './document.js';

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
  const names = readdirSync(directory)
    .filter((name) => name.endsWith('.yaml'))
    .sort();
  if (names.length === 0) throw new FileUnusable(`no *.yaml in ${directory}`);
  const documents = names.map((name) => readDocument(directory, name));
  try {
    return compileMapping(documents);
  } catch (error) {
    if (!(error instanceof MappingRefused)) throw error;
    const lines = error.mistakes.map((mistake) => described(directory, mistake, documents));
    throw new FileUnusable(`the mapping cannot be used:\n${lines.map((line) => `  - ${line}`).join('\n')}`);
  }
}

/**
 * Reads and compiles a vocabulary of log records.
 * @throws an error that names file and line of every mistake.
 */
export function readVocabulary(path: string): Vocabulary {
  return readRules(path, 'vocabulary', compileVocabulary);
}

/**
 * Reads and compiles rules of governance.
 * @throws an error that names file and line of every mistake.
 */
export function readGovernance(path: string): GovernanceRules {
  return readRules(path, 'governance', compileGovernance);
}

/**
 * Reads and compiles how metrics are read for a run.
 * @throws an error that names file and line of every mistake.
 */
export function readTelemetryRules(path: string): TelemetryRules {
  return readRules(path, 'telemetry rules', compileTelemetryRules);
}

/**
 * Reads and compiles rules of attribution.
 * @throws an error that names file and line of every mistake.
 */
export function readAttribution(path: string): Attribution {
  return readRules(path, 'attribution', compileAttribution);
}

/**
 * Reads and compiles who should report.
 * @throws an error that names file and line of every mistake.
 */
export function readProducers(path: string): readonly ExpectedProducer[] {
  return readRules(path, 'list of producers', compileProducers);
}

const REFUSALS = [
  VocabularyRefused,
  GovernanceRefused,
  TelemetryRulesRefused,
  AttributionRefused,
  ProducersRefused,
] as const;

function readRules<T>(path: string, what: string, compile: (content: unknown) => T): T {
  const document = readDocument(dirname(path), basename(path));
  try {
    return compile(document.content);
  } catch (error) {
    const refusal = REFUSALS.map((kind) => (error instanceof kind ? error : null)).find((one) => one !== null);
    if (refusal == null) throw error;
    const lines = refusal.mistakes.map((mistake) =>
      described(dirname(path), { file: document.name, ...mistake }, [document]),
    );
    throw new FileUnusable(`the ${what} cannot be used:\n${lines.map((line) => `  - ${line}`).join('\n')}`);
  }
}
