import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readDocument, readRules } from './mapping/document.js';
import type { Rule } from './record/redact/rule.js';
import { compileRules, RulesRefused } from './record/redact/rules.js';

/** The built-in redaction rules: in the repository's `config/`. */
const BUILT_IN_REDACTION = fileURLToPath(new URL('../../../config/redaction.yaml', import.meta.url));

/**
 * The rules that redact: those that come with Sworn, and those of a file of one's own.
 * @throws an error that names file and line of every mistake in it.
 */
export function readRedactionRules(own: string | null): readonly Rule[] {
  const of = 'the redaction rules (SWORN_REDACTION_FILE)';
  const { content } = readDocument(dirname(BUILT_IN_REDACTION), basename(BUILT_IN_REDACTION), of);
  const builtIn = { content, from: 'built_in' } as const;
  if (own === null) return compileRules([builtIn]);
  const withOwn = (said: unknown) => compileRules([builtIn, { content: said, from: 'own' }]);
  return readRules(own, { of, compile: withOwn, Refused: RulesRefused });
}
