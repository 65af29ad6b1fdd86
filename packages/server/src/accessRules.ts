import { existsSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLatestTime } from './access/latestTime.js';
import type { Rules } from './access/rules.js';
import { compileRules, RulesRefused } from './access/rulesFile.js';
import { createRuling, type Ruling } from './access/ruling.js';
import { createSyntheticTenant } from './access/syntheticTenant.js';
import type { Config } from './config.js';
import type { Deployment } from './deployment.js';
import { isLoopback } from './networks.js';
import { described, FileUnusable, readDocument } from './mapping/document.js';

/** The rules of access that come with Sworn. */
export const BUILT_IN_RULES = fileURLToPath(new URL('../../../config/rbac.yaml', import.meta.url));

/** When this build was made, milliseconds since 1970: when its file was written. */
const BUILT_AT = statSync(fileURLToPath(import.meta.url)).mtimeMs;

/**
 * Reads and compiles rules of access.
 * @throws an error that names file and line of every mistake.
 */
export function readAccessRules(path: string): Rules {
  if (!existsSync(path)) throw new FileUnusable(`SWORN_RBAC_FILE ${path} is not there`);
  const document = readDocument(dirname(path), basename(path));
  try {
    return compileRules(document.content);
  } catch (error) {
    if (!(error instanceof RulesRefused)) throw error;
    const lines = error.mistakes.map((mistake) =>
      described(dirname(path), { file: document.name, ...mistake }, [document]),
    );
    throw new FileUnusable(`the rules of access cannot be used:\n${lines.map((line) => `  - ${line}`).join('\n')}`);
  }
}

/** The rules as a server of this configuration applies them. */
export function rulingOf(config: Config, rules: Rules, deployment: Deployment): Ruling {
  const { db, keyStore, originOf, platformTenant } = deployment;
  const now = Date.now;
  return createRuling({
    rules,
    environment: config.environment,
    // A proxy in front brings in whoever it likes.
    isLoopback: isLoopback(config.host) && !config.proxied,
    syntheticTenant: createSyntheticTenant({ db, directoryKey: keyStore.deployment.directory, originOf, now }),
    latestTime: createLatestTime({ db, platformTenant, now, builtAt: BUILT_AT }),
  });
}
