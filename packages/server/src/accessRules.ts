import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createLatestTime } from './access/latestTime.js';
import type { Rules } from './access/rules.js';
import { compileRules, RulesRefused } from './access/rulesFile.js';
import { createRuling, type Ruling } from './access/ruling.js';
import { createSyntheticTenant } from './access/syntheticTenant.js';
import type { Config } from './config.js';
import type { Deployment } from './deployment.js';
import { isLoopback } from './networks.js';
import { readRules } from './mapping/document.js';

/** The rules of access that come with Sworn. */
export const BUILT_IN_RULES = fileURLToPath(new URL('../../../config/rbac.yaml', import.meta.url));

/** When this build was made, milliseconds since 1970: when its file was written. */
const BUILT_AT = statSync(fileURLToPath(import.meta.url)).mtimeMs;

/**
 * Reads and compiles rules of access.
 * @throws an error that names file and line of every mistake.
 */
export function readAccessRules(path: string): Rules {
  return readRules(path, { of: 'the rules of access (SWORN_RBAC_FILE)', compile: compileRules, Refused: RulesRefused });
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
