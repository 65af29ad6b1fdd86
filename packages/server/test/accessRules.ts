import type { KeyRole } from '../src/access/credential.js';
import { permissionsOf, type Rules } from '../src/access/rules.js';
import { createRuling, type Ruling } from '../src/access/ruling.js';
import { BUILT_IN_RULES, readAccessRules } from '../src/accessRules.js';

/** The rules of access that come with Sworn. */
export const RULES: Rules = readAccessRules(BUILT_IN_RULES);

/** What keys of a role may do by them. */
export const permissionsByRules = (role: KeyRole) => permissionsOf(RULES, [role]);

/** A ruling by them, of a production server. */
export function productionRuling(): Ruling {
  return createRuling({
    rules: RULES,
    environment: 'production',
    isLoopback: true,
    syntheticTenant: () => Promise.resolve(null),
    latestTime: () => Promise.resolve(Date.now()),
  });
}
