import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Config } from './config.js';
import type { createRedactor } from './record/redact/redactor.js';

/** The built-in redaction rules: in the repository's `config/`. */
const REDACTION_RULES = fileURLToPath(new URL('../../../config/redaction.yaml', import.meta.url));

/** The rules that redact: those that come with Sworn, and one's own. @throws an error when one's own are not there. */
export function redactionRules(config: Config): Parameters<typeof createRedactor>[0] {
  const own = config.redactionFile;
  if (own !== null && !existsSync(own)) throw new Error(`SWORN_REDACTION_FILE ${own} is not there`);
  return [
    { yaml: readFileSync(REDACTION_RULES, 'utf8'), from: 'built_in' },
    ...(own === null ? [] : [{ yaml: readFileSync(own, 'utf8'), from: 'own' as const }]),
  ];
}
