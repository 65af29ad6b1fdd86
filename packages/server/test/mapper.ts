import {
  BUILT_IN_GOVERNANCE,
  BUILT_IN_MAPPING,
  BUILT_IN_TELEMETRY,
  BUILT_IN_VOCABULARY,
  readGovernance,
  readMapping,
  readTelemetryRules,
  readVocabulary,
} from '../src/mapping/files.js';
import { createPricer } from '../src/mapping/prices.js';
import type { Mapper } from '../src/otlp/map/step.js';

/** The mapping that comes with Sworn, and its price book. */
const mapping = readMapping(BUILT_IN_MAPPING);
export const MAPPER: Mapper = { mapping, pricer: createPricer(mapping) };

/** The vocabulary of log records that comes with Sworn. */
export const VOCABULARY = readVocabulary(BUILT_IN_VOCABULARY);

/** How metrics are read, as it comes with Sworn. */
export const TELEMETRY_RULES = readTelemetryRules(BUILT_IN_TELEMETRY);

/** The rules of governance that come with Sworn. */
export const GOVERNANCE = readGovernance(BUILT_IN_GOVERNANCE);
