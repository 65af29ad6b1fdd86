import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calcPrice } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BUILT_IN_MAPPING, readMapping } from '../src/mapping/files.js';
import { createPricer } from '../src/mapping/prices.js';
import { SHIPPED } from '../src/otlp/map/shipped.js';
import { mapSpan } from '../src/otlp/map/step.js';
import { readResource, readSpan } from '../src/otlp/span.js';
import { MAPPER } from './mapper.js';
import { fieldsOf, spanOf } from './mappedSpan.js';

const { mapping, pricer } = MAPPER;

describe('the mapping', () => {
  test('that comes with Sworn is the one its version names: whoever changes a table raises the version', () => {
    expect(mapping.version).toEqual({ map: SHIPPED.version });
  });
});

describe("a mapping of one's own", () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sworn-mapping-'));
    cpSync(BUILT_IN_MAPPING, dir, { recursive: true });
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  const edit = (file: string, from: string, to: string) => {
    const before = readFileSync(join(dir, file), 'utf8');
    expect(before).toContain(from);
    writeFileSync(
      join(dir, file),
      before.replace(from, () => to),
    );
  };
  const mistakes = (): string => {
    try {
      readMapping(dir);
      return '';
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  };

  test('says so in every leaf, whether the version was raised or not; comments do not count', () => {
    edit('names.yaml', '# A person;', '# Somebody;');
    expect(readMapping(dir).version).toEqual({ map: SHIPPED.version });
    edit('names.yaml', 'run_hint: [', 'run_hint: [app.turn, ');
    const { version } = readMapping(dir);
    expect(version).toEqual({ map: SHIPPED.version, map_edit: expect.stringMatching(/^[0-9a-f]{12}$/) as string });
    edit('mapping.yaml', `version: ${SHIPPED.version}`, 'version: 7');
    expect(readMapping(dir).version).toEqual({ ...version, map: 7 });
  });

  test('is what spans are mapped by', () => {
    edit('names.yaml', 'run_hint: [', 'run_hint: [app.turn, ');
    edit('kinds.yaml', '    TOOL: [execute_tool, tool_call]', '    TOOL: [execute_tool, tool_call, my_tool]');
    const own = readMapping(dir);
    const slice = spanOf({ 'app.turn': 't-1', 'gen_ai.operation.name': 'my_tool' });
    const { fields } = mapSpan(
      { mapping: own, pricer: createPricer(own) },
      readSpan(slice.bytes),
      readResource(slice.resource.bytes),
      false,
    );
    expect(fields).toMatchObject({ run_hint: 't-1', step_kind: 'TOOL' });
  });

  test.each([
    [
      'an unknown kind',
      'kinds.yaml',
      '    LLM: [ai_client]',
      '    LLMS: [ai_client]',
      /kinds\.yaml:\d+: .*LLMS is no kind/,
    ],
    [
      'an unknown table',
      'names.yaml',
      'parent_agent:',
      'parent_agents:',
      /names\.yaml:\d+: parent_agents: is no table/,
    ],
    [
      'a bad source',
      'names.yaml',
      'metadata > ls_provider',
      'metadata >',
      /names\.yaml:\d+: provider › 5: .*no source/,
    ],
    [
      'a number for a text',
      'usage.yaml',
      '  - cost_usd',
      '  - 12',
      /usage\.yaml:\d+: reported_cost › 7: must be a text/,
    ],
    ['a truth for a text', 'endings.yaml', 'success: ["false"]', 'success: [false]', /endings\.yaml:\d+: .*quotes/],
    ['an entry twice', 'names.yaml', '[error.type]', '[error.type, error.type]', /names\.yaml:\d+: .*already/],
    [
      'a source of another table',
      'usage.yaml',
      'disjoint_input: [input_tokens]',
      'disjoint_input: [nothing]',
      /no source there/,
    ],
    [
      'words in upper case',
      'endings.yaml',
      'approved: [approve,',
      'approved: [Approve,',
      /endings\.yaml:\d+: .*lower case/,
    ],
    ['an unknown mark', 'endings.yaml', '  timeout:', '  timeouts:', /endings\.yaml:\d+: .*timeouts is no mark/],
    [
      'an unknown place of a word',
      'endings.yaml',
      'contains: [time out',
      'somewhere: [time out',
      /somewhere is none of/,
    ],
    [
      'a word that could be matched in too many ways',
      'endings.yaml',
      'contains: [time out',
      `contains: ["a${' '.repeat(24)}b"`,
      /endings\.yaml:\d+: .*no space beside another/,
    ],
    ['another', 'endings.yaml', 'contains: [time out', 'contains: ["a - b"', /endings\.yaml:\d+: .*no space beside/],
    ['no version', 'mapping.yaml', 'version: 2', 'version: two', /mapping\.yaml:\d+: version: must be a whole number/],
    ['a version that is missing', 'mapping.yaml', 'version: 2', '{}', /version: is missing/],
    ['YAML that is none', 'usage.yaml', 'input_tokens:', 'input_tokens: [', /usage\.yaml:\d+: /],
  ])('with %s is refused, and file and line are named', (_, file, from, to, message) => {
    edit(file, from, to);
    expect(mistakes()).toMatch(message);
  });

  test('may have nothing in a list: then no name is that of no provider', () => {
    const names = join(dir, 'names.yaml');
    writeFileSync(names, readFileSync(names, 'utf8').replace(/no_provider:\s*\[[^\]]*\]/, 'no_provider: []'));
    expect(readMapping(dir).no_provider.test('openai')).toBe(false);
  });

  test('holds no pattern: what looks like one is compared as it stands', () => {
    edit('endings.yaml', 'begins: [', "begins: ['(a+)+$', ");
    const own = readMapping(dir);
    const [, pattern] = own.failure_words.find(([mark]) => mark === 'rate_limited') ?? [];
    expect(pattern?.test(`${'a'.repeat(60)}!`)).toBe(false);
    expect(pattern?.test('(a+)+$')).toBe(false);
  });
});

describe('a price', () => {
  const call = (more: object) => ({
    provider: null,
    model: 'gpt-4o-mini',
    inputTokens: 120,
    outputTokens: 34,
    cachedTokens: 64,
    cacheWriteTokens: 0,
    startedNs: 1_764_000_000_000_000_000n,
    ...more,
  });

  test('is of the book that is installed', () => {
    const path = new URL('../package.json', import.meta.url);
    const { dependencies } = JSON.parse(readFileSync(path, 'utf8')) as { dependencies: Record<string, string> };
    expect(pricer.book).toBe(`genai-prices/${dependencies['@pydantic/genai-prices'] ?? ''}`);
  });

  test.each([
    [{ provider: 'openai' }, 33_600],
    [{ provider: 'azure.ai.openai' }, 33_600],
    [{ provider: 'az.ai.openai' }, 33_600],
    [{ provider: 'somebody-elses-gateway' }, 33_600],
    [{ provider: null }, 33_600],
    [{ provider: 'ollama' }, null],
    [{ model: 'a-model-of-our-own' }, null],
    [{ cachedTokens: 121 }, null],
    [{ provider: 'anthropic', model: 'claude-sonnet-4-5', cachedTokens: 44, cacheWriteTokens: 20 }, 766_200],
  ])('of %j is %s', (more, nano) => {
    expect(pricer.price(call(more))).toBe(nano);
  });

  test.each([
    ['x_ai', 'grok-4'],
    ['gcp.gen_ai', 'gemini-2.5-flash'],
    ['gcp.vertex_ai', 'gemini-2.5-pro'],
    ['aws.bedrock', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'],
    ['mistral_ai', 'mistral-large-latest'],
  ])('is found by the name that %s has in the conventions', (provider, model) => {
    expect(pricer.price(call({ provider, model, cachedTokens: 0 }))).toBeGreaterThan(0);
  });

  test('is the same as the book says, below and beyond its tiers', () => {
    const models = [
      'gpt-4o-mini',
      'gpt-4o',
      'claude-sonnet-4-5',
      'claude-haiku-4-5',
      'gemini-2.5-pro',
      'gemini-2.5-flash',
    ];
    const counts = fc.tuple(fc.nat(400_000), fc.nat(400_000), fc.nat(200_000), fc.nat(50_000));
    fc.assert(
      fc.property(fc.constantFrom(...models), counts, (model, [fresh, cached, written, output]) => {
        const input = fresh + cached + written;
        const usage = {
          input_tokens: input,
          cache_read_tokens: cached,
          cache_write_tokens: written,
          output_tokens: output,
        };
        const dollars = calcPrice(usage, model)?.total_price ?? Number.NaN;
        const ours = pricer.price(
          call({ model, inputTokens: input, cachedTokens: cached, cacheWriteTokens: written, outputTokens: output }),
        );
        // A billionth of a dollar: the two add up in another order.
        expect(Math.abs((ours ?? Number.NaN) - dollars * 1e9)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 300 },
    );
  });

  test('stands beside what the sender reports, and is absent without usage', () => {
    const model = { 'gen_ai.operation.name': 'chat', 'gen_ai.request.model': 'gpt-4o-mini' };
    expect(
      fieldsOf({
        ...model,
        'gen_ai.usage.input_tokens': 120,
        'gen_ai.usage.output_tokens': 34,
        'gen_ai.usage.cost': 0.001,
      }),
    ).toMatchObject({ cost_nano_usd: 1_000_000, priced_nano_usd: 38_400, price_book: pricer.book });
    expect(fieldsOf(model)).not.toHaveProperty('price_book');
    expect(
      fieldsOf({ ...model, 'gen_ai.request.model': 'none-such', 'gen_ai.usage.input_tokens': 1 }),
    ).not.toHaveProperty('priced_nano_usd');
  });
});

describe('mapping any span', () => {
  /** Attributes that the tables ask for, with anything in them. */
  const asked = [
    ...mapping.index.keys(),
    ...mapping.resume_inputs,
    ...mapping.approval_inputs,
    'guardrail.triggered',
    'sworn.run.id',
    'sworn.origin',
  ];
  const json = fc.json({ maxDepth: 4 });
  const value = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.double({ min: -1e15, max: 1e15, noNaN: true }),
    fc.boolean(),
    json,
    fc.array(fc.string(), { maxLength: 4 }),
    fc.constantFrom(
      '{"resume":{"decisions":[{"type":"approve"}]}}',
      '{"input":1e99,"total":-1}',
      '9007199254740993',
      '{"resume":[[[[]]]]}',
    ),
  );
  const attributes = fc.dictionary(fc.constantFrom(...asked), value, { maxKeys: 24 });

  test('never throws, and says only what a leaf can hold', () => {
    const name = /^[A-Za-z0-9][A-Za-z0-9 ._:/@+#-]{0,127}$/;
    fc.assert(
      fc.property(attributes, fc.boolean(), fc.constantFrom(0, 1, 2), (said, assert, code) => {
        const slice = spanOf(said, { status: { code, message: String(Object.values(said)[0] ?? '') } });
        const { fields } = mapSpan(MAPPER, readSpan(slice.bytes), readResource(slice.resource.bytes), assert);
        for (const held of Object.values(fields).flat()) {
          if (typeof held === 'number') expect(Number.isSafeInteger(held) && held >= 0).toBe(true);
          else if (typeof held === 'string') expect(held).toMatch(name);
          else expect(typeof held).toBe('boolean');
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
