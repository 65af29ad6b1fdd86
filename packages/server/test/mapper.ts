import { BUILT_IN_MAPPING, readMapping } from '../src/mapping/files.js';
import { createPricer } from '../src/mapping/prices.js';
import type { Mapper } from '../src/otlp/map/step.js';

/** The mapping that comes with Sworn, and its price book. */
const mapping = readMapping(BUILT_IN_MAPPING);
export const MAPPER: Mapper = { mapping, pricer: createPricer(mapping) };
