import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BUILT_IN_RULES, readAccessRules } from '../src/accessRules.js';
import {
  BUILT_IN_ATTRIBUTION,
  BUILT_IN_GOVERNANCE,
  BUILT_IN_MAPPING,
  BUILT_IN_PRODUCERS,
  BUILT_IN_TELEMETRY,
  BUILT_IN_VOCABULARY,
  readAttribution,
  readGovernance,
  readMapping,
  readProducers,
  readTelemetryRules,
  readVocabulary,
} from '../src/mapping/files.js';
import { BUILT_IN_OIDC, readOidcFile } from '../src/oidcIssuers.js';
import { readRedactionRules } from '../src/redactionRules.js';

const readIssuers = (path: string) => readOidcFile(path, ['reader', 'auditor']);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sworn-rules-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** One of the files that rules stand in. */
interface RuleFile {
  /** Its text, as it comes with Sworn or as somebody may write it. */
  readonly text: string;
  /** Reads it as the server does when it starts. */
  readonly read: (path: string) => unknown;
}

const shipped = (path: string) => readFileSync(path, 'utf8');
const FILES: Readonly<Record<string, RuleFile>> = {
  'rbac.yaml': { text: shipped(BUILT_IN_RULES), read: readAccessRules },
  'oidc.yaml': { text: shipped(BUILT_IN_OIDC), read: readIssuers },
  'redaction.yaml': {
    text: "version: 1\nvalues:\n  - { id: customer, shapes: [{ anchors: [KD-], pattern: 'KD-[0-9]{6}' }] }\n",
    read: readRedactionRules,
  },
  'producers.yaml': { text: shipped(BUILT_IN_PRODUCERS), read: readProducers },
  'telemetry.yaml': { text: shipped(BUILT_IN_TELEMETRY), read: readTelemetryRules },
  'attribution.yaml': { text: shipped(BUILT_IN_ATTRIBUTION), read: readAttribution },
  'audit-vocabulary.yaml': { text: shipped(BUILT_IN_VOCABULARY), read: readVocabulary },
  'governance.yaml': { text: shipped(BUILT_IN_GOVERNANCE), read: readGovernance },
  'usage.yaml': {
    text: shipped(join(BUILT_IN_MAPPING, 'usage.yaml')),
    read: (path) => {
      const whole = `${dir}/mapping`;
      cpSync(BUILT_IN_MAPPING, whole, { recursive: true });
      cpSync(path, `${whole}/usage.yaml`, { recursive: true });
      return readMapping(whole);
    },
  },
};

/** What is said of this text in the place of that file; null: it is taken. */
function saidOf(name: string, text: string): string | null {
  const file = FILES[name];
  const path = join(dir, name);
  writeFileSync(path, text);
  try {
    file?.read(path);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

const lines = (text: string) => text.split('\n').length;
/** Nine to the ninth power of texts, in ten lines. */
const BOMB = Array.from('bcdefghij', (name, n) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[n]}`).join()}]`);

describe.each(Object.keys(FILES))('%s', (name) => {
  const { text } = FILES[name] as RuleFile;
  const last = lines(text);

  it('is taken as it is', () => {
    expect(saidOf(name, text)).toBeNull();
  });

  it.each([
    ['nothing', '', `${name}: is empty; what comes with Sworn shows what stands in it`],
    ['comments alone', '# version: 1\n', `${name}: is empty`],
    ['a word', 'yes\n', `${name}: the file: must `],
    ['a member nobody knows', `${text}\nno_such: 1\n`, `${name}:${last + 1}: no_such: is no `],
    [
      'a member twice',
      `${text}\nversion: 1\nversion: 1\n`,
      `${name}:${last + (/^version/m.test(text) ? 1 : 2)}: Map keys must be unique`,
    ],
    ['what is no YAML', `${text}\nnote: [1\n`, `${name}:${last + 2}: `],
    ['tabs', `${text}\nnote:\n\t- 1\n`, `${name}:${last + 2}: Tabs are not allowed as indentation`],
    [
      'two documents',
      `${text}\n---\nversion: 1\n`,
      `${name}:${last + 1}: another document begins here; a file has one`,
    ],
    ['a tag of somebody’s', `${text}\nnote: !!js/function "1"\n`, `${name}:${last + 1}: Unresolved tag`],
    [
      'aliases',
      `a: &a [x]\n${BOMB.join('\n')}\n`,
      `${name}:2: *a: aliases are not taken; write out what it stands for`,
    ],
  ])('is refused with %s: file, line and way out', (_, broken, said) => {
    expect(saidOf(name, broken)).toContain(`cannot be used:\n  - `);
    expect(saidOf(name, broken)).toContain(said);
  });
});

describe('a file of rules that a setting names', () => {
  const NAMED = {
    SWORN_RBAC_FILE: readAccessRules,
    SWORN_OIDC_FILE: readIssuers,
    SWORN_REDACTION_FILE: readRedactionRules,
    SWORN_PRODUCERS_FILE: readProducers,
    SWORN_TELEMETRY_FILE: readTelemetryRules,
    SWORN_MAPPING_DIR: readMapping,
  } as const;

  it.each(Object.entries(NAMED))('%s: has to be there, and be one', (setting, read) => {
    const gone = join(dir, 'gone');
    expect(() => read(gone)).toThrow(`(${setting}) cannot be used:\n  - ${gone} cannot be read (ENOENT): name `);
    const other = join(dir, 'other');
    if (setting === 'SWORN_MAPPING_DIR') writeFileSync(other, '');
    else mkdirSync(other);
    expect(() => read(other)).toThrow(/other cannot be read \(E(ISDIR|NOTDIR)\)/);
  });

  it('SWORN_MAPPING_DIR: has rules in it', () => {
    expect(() => readMapping(dir)).toThrow(`${dir} holds no *.yaml`);
  });
});

/** What no other test of a file says: `[file, what, before, after, what is said of it]`. */
const MISTAKES: readonly (readonly [string, string, string | RegExp, string, RegExp])[] = [
  [
    'redaction.yaml',
    'a pattern that no engine reads',
    'KD-[0-9]{6}',
    'KD-[0-9',
    /:3: values › 0 › shapes › 0 › pattern: error parsing.*RE2/,
  ],
  ['redaction.yaml', 'a pattern that looks around', 'KD-[0-9]{6}', '(?=KD)x', /pattern: error parsing.*no look-around/],
  ['redaction.yaml', 'an id of the built-in rules', 'id: customer', 'id: jwt', /values › 0 › id: jwt is taken/],
  ['redaction.yaml', 'another version', 'version: 1', 'version: 2', /:1: version: must be 1/],
  [
    'redaction.yaml',
    'a member of a rule nobody knows',
    'id: customer',
    'id: customer, colour: red',
    /:3: values › 0 › colour: is no part of it; there is id, action, shapes/,
  ],
  [
    'redaction.yaml',
    'a check there is not',
    'anchors: [KD-]',
    'anchors: [KD-], check: mod97',
    /values › 0 › shapes › 0 › check: must be one of /,
  ],
  ['redaction.yaml', 'rules that are no list', /values:[^]*/, 'values: { id: a }', /:2: values: must be a list/],
  [
    'producers.yaml',
    'a silence that no round could tell',
    'producers: []',
    'producers: [{ service: shop, signals: [traces], silence_seconds: 5 }]',
    /:\d+: producers › 0 › silence_seconds: must be whole seconds from 20 to 604800/,
  ],
  [
    'producers.yaml',
    'a signal there is not',
    'producers: []',
    'producers: [{ service: shop, signals: [profiles], silence_seconds: 60 }]',
    /:\d+: producers › 0 › signals › 0: must be one of traces, logs, metrics/,
  ],
  [
    'producers.yaml',
    'a time of day without quotes',
    'producers: []',
    'producers: [{ service: shop, signals: [logs], silence_seconds: 60, hours: { from: 08.5, to: "18:00" } }]',
    /:\d+: producers › 0 › hours › from: must be a time of day in quotes/,
  ],
  [
    'producers.yaml',
    'a producer twice',
    'producers: []',
    'producers: [{ service: shop, signals: [logs], silence_seconds: 60 }, { service: shop, signals: [logs], silence_seconds: 90 }]',
    /:\d+: producers › 1/,
  ],
  [
    'telemetry.yaml',
    'seconds in words',
    'margin_seconds: 60',
    'margin_seconds: a minute',
    /:\d+: margin_seconds: must be whole seconds from 0 to /,
  ],
  [
    'telemetry.yaml',
    'a metric under two names',
    'from: [system.network.dropped]',
    'from: [system.disk.io]',
    /:\d+: metrics › \d+: system.disk.io stands twice/,
  ],
  [
    'telemetry.yaml',
    'a binding to nothing',
    'bindings: []',
    'bindings: [{ service: a, to: {} }]',
    /:\d+: bindings › 0 › to: must name one thing/,
  ],
  [
    'telemetry.yaml',
    'utilisation of nothing',
    'of: process.cpu.time, idle: []',
    'idle: user',
    /:\d+: utilization › 1 › of: is missing\n.*:\d+: utilization › 1 › idle: must be a list of at most 1024/,
  ],
  [
    'governance.yaml',
    'a rule twice',
    'rule: openai_agents.tripwire',
    'rule: openinference.guardrail',
    /:\d+: rules › 1 › rule: openinference.guardrail stands there twice/,
  ],
  [
    'governance.yaml',
    'a category nobody has',
    'category: POLICY_EVALUATION',
    'category: POLICY',
    /:\d+: rules › 0 › category: must be one of THRESHOLD_CHECK/,
  ],
  [
    'governance.yaml',
    'a fact that a span has not',
    '"@kind": [agent]',
    '"@body": [agent]',
    /:\d+: rules › 1 › when › @body: @body is nothing that a span has/,
  ],
  [
    'governance.yaml',
    'a truth for a word',
    'ALLOW: ["false"]',
    'ALLOW: [false]',
    /:\d+: rules › 0 › decision › words › ALLOW › 0: .*quotes/,
  ],
  [
    'governance.yaml',
    'a decision there is not',
    'said: DENY',
    'said: FORBID',
    /:\d+: rules › 1 › decision › said: must be one of ALLOW, DENY/,
  ],
  [
    'attribution.yaml',
    'a rule twice',
    'id: machine-out-of-disk',
    'id: machine-out-of-memory',
    /:\d+: rules › \d+ › id: stands twice/,
  ],
  [
    'attribution.yaml',
    'a confidence there is not',
    'confidence: HIGH',
    'confidence: SURE',
    /:\d+: rules › \d+ › confidence: must be one of HIGH, MEDIUM, LOW/,
  ],
  [
    'attribution.yaml',
    'a word for a list',
    '[budget_exceeded]',
    'budget_exceeded',
    /:\d+: rules › \d+ › when › termination_reason: must be a list/,
  ],
];

describe('rules are refused, with line and way out,', () => {
  it.each(MISTAKES)('%s with %s', (name, _, before, after, why) => {
    const { text } = FILES[name] as RuleFile;
    const broken = text.replace(before, after);
    expect(broken).not.toBe(text);
    expect(saidOf(name, broken)).toMatch(why);
  });
});
