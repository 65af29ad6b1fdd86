import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ENDPOINTS, TLOG_ROUTES } from '@sworn/contract';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TIERS } from '../src/access/rules.js';
import { BUILT_IN_RULES, readAccessRules } from '../src/accessRules.js';
import { RULES } from './accessRules.js';

const TEXT = readFileSync(BUILT_IN_RULES, 'utf8');
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sworn-rbac-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What is said of the file that comes with Sworn when `before` in it is `after`. */
function saidOf(before: string | RegExp, after: string): string {
  const text = TEXT.replace(before, after);
  expect(text).not.toBe(TEXT);
  const path = join(dir, 'rbac.yaml');
  writeFileSync(path, text);
  try {
    readAccessRules(path);
    return 'nothing';
  } catch (error) {
    return (error as Error).message;
  }
}

describe('the rules that come with Sworn', () => {
  it('INV-LOG-READ-001: are about every route that reads evidence, for keys and for sessions', () => {
    for (const { id } of [...ENDPOINTS, ...TLOG_ROUTES]) {
      const tiers = RULES.rules.filter(({ endpoints }) => endpoints.has(id)).map(({ tier }) => tier);
      expect(tiers, id).toEqual(expect.arrayContaining(TIERS.filter((tier) => tier !== 'PUBLIC')));
    }
  });

  it('open to anyone what the contract says, in preflight and until 2026-03-01', () => {
    expect(RULES.rules.filter(({ tier }) => tier === 'PUBLIC')).toMatchObject([
      {
        id: 'LOGS_READ_PREFLIGHT',
        environment: 'preflight',
        permission: 'logs.read',
        expires: Date.parse('2026-03-01T00:00:00Z'),
      },
    ]);
  });

  it('let no key both write and read', () => {
    for (const permissions of RULES.roles.values())
      expect(permissions.has('logs.ingest') && permissions.size > 1).toBe(false);
  });
});

describe('a file of rules is refused, with line and way out,', () => {
  it.each([
    [
      'that says what nobody knows',
      'tier: PUBLIC',
      'tyre: 1\n    tier: PUBLIC',
      /rbac\.yaml:\d+: .*tyre: is no part of it; there is id/,
    ],
    ['that leaves out what decides', /    payloads: full\n/, '', /rules › 0: lacks payloads/],
    [
      'of an endpoint there is not',
      '[llm_runs.export, exports.download]',
      '[llm_runs.exports, exports.download]',
      /"llm_runs.exports" is no id of an endpoint; there is llm_runs.list/,
    ],
    [
      'that withholds what an endpoint shows',
      'payloads: full',
      'payloads: hashes',
      /llm_runs.governance, .* cannot withhold/,
    ],
    ['that names a URL', '[llm_runs.export, exports.download]', '[/api/v1/logs/llm-runs]', /is no id of an endpoint/],
    [
      'that names an endpoint twice',
      '[llm_runs.export, exports.download]',
      '[llm_runs.export, llm_runs.export]',
      /stands twice/,
    ],
    [
      'that asks for less than the contract',
      'permission: logs.audit',
      'permission: logs.read',
      /audit.list takes logs.audit/,
    ],
    ['with a tier there is not', 'tier: SESSION', 'tier: COOKIE', /must be one of PUBLIC, SESSION, MACHINE/],
    [
      'with an environment there is not',
      'environment: any',
      'environment: prod',
      /must be one of production, preflight, any/,
    ],
    ['with payloads there are not', 'payloads: full', 'payloads: some', /must be one of none, hashes, full/],
    ['with a day there is not', '2026-03-01', '2026-02-30x', /must be a day/],
    [
      'with a bound that is none',
      'tier: PUBLIC',
      'max_rows: 0\n    tier: PUBLIC',
      /max_rows: must be a whole number from 1/,
    ],
    ['that opens production to anyone', 'environment: preflight', 'environment: any', /PUBLIC is for preflight only/],
    ['that opens something for ever', /    expires: 2026-03-01\n/, '', /PUBLIC must expire/],
    [
      'that shows anyone what is real',
      'include_synthetic: true',
      'include_synthetic: false',
      /PUBLIC reads the synthetic tenant and no other/,
    ],
    ['with a role there is not', 'tier: MACHINE', 'roles: [boss]\n    tier: MACHINE', /there is no role boss/],
    [
      'with a role that could not use it',
      'tier: MACHINE',
      'roles: [ingest]\n    tier: MACHINE',
      /role ingest lacks logs.read/,
    ],
    ['with a role that writes and reads', '[logs.ingest]', '[logs.ingest, logs.read]', /who writes does not read/],
    ['with a permission there is not', '[logs.ingest]', '[logs.write]', /must be a list of logs.read/],
    ['without a role that keys have', /  ingest: \[logs.ingest\]\n/, '', /lacks ingest, which keys have/],
    ['with two rules of one name', 'id: LOGS_READ_MACHINE', 'id: LOGS_READ_PRODUCTION', /stands twice/],
    [
      'with a rule that never decides',
      /tier: SESSION(\n.*\n.*logs\.audit)/,
      'tier: MACHINE$1',
      /LOGS_AUDIT_PRODUCTION stands before it/,
    ],
    ['of another version', 'version: 1', 'version: 2', /version: must be 1/],
    ['that is no YAML', 'version: 1', 'version: [1', /rbac\.yaml/],
  ])('one %s', (_, before, after, why) => {
    expect(saidOf(before, after)).toMatch(why);
  });
});
