import { describe, expect, it } from 'vitest';
import { createRedactor, type Redacted } from '../src/record/redact/redactor.js';
import { decodeTracesJson } from '../src/otlp/json.js';
import { decodeTraces } from '../src/otlp/wire.js';
import { readRedactionRules } from '../src/redactionRules.js';
import { any, keyValue, message, text, type WireMessage } from './otlpBytes.js';
import { TRACE_CAPTURES } from './otlpCaptures.js';

const redactor = createRedactor(readRedactionRules(null));
const redact = (bytes: Uint8Array): Redacted => redactor.redact('span', bytes, () => 'tok_');
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
/** One attribute `note` with this text. */
const noted = (value: string): Uint8Array => message([[9, keyValue('note', any(value))]]);

describe('what is too much to look through', () => {
  const MIB = 1024 * 1024;
  const secret = any('password=hunter2horse');
  const identity: WireMessage = [
    [1, Buffer.alloc(16, 0xaa)],
    [2, Buffer.alloc(8, 0xbb)],
  ];
  const path = 'attributes.0.value.string_value';

  it('goes whole and says so: a text with more matches than are cut out one by one', () => {
    expect(redact(noted('password=x1 '.repeat(256))).removed).toHaveLength(256);
    expect(redact(noted('password=x1 '.repeat(257))).removed).toEqual([{ rule: 'beyond_bounds', path, n: 4096 }]);
    expect(redact(noted('password=x1 '.repeat((16 * MIB) / 12))).removed).toEqual([
      { rule: 'beyond_bounds', path, n: 16 * MIB },
    ]);
  });

  it('goes whole and says so: a long text that a rule could match, and no other', () => {
    const long = any('clean words '.repeat(400_000));
    const first = keyValue('k', any(`${'clean words '.repeat(400_000)} password=x`));
    const { bytes, removed } = redact(
      message([
        [9, first],
        [9, keyValue('k', long)],
      ]),
    );
    expect(removed).toEqual([{ rule: 'beyond_bounds', path, n: 8 * MIB }]);
    expect(latin1(bytes)).toContain('clean words');
  });

  it('goes whole and says so: a text escaped more deeply than is read', () => {
    let nested = 'password=hunter2horse';
    for (let depth = 0; depth < 12; depth++) nested = nested.replaceAll('%', '%25').replace('w', '%77');
    expect(redact(noted(`AKIA password=x ${nested}`)).removed).toEqual([{ rule: 'beyond_bounds', path, n: 64 }]);
  });

  it('does not pass because other texts before it took all the work', () => {
    const costly = Array.from({ length: 40 }, () => [9, keyValue('k', any('4111 '.repeat(100_000)))] as const);
    const { bytes, removed } = redact(message([...costly, [9, keyValue('k', secret)]]));
    expect(latin1(bytes)).not.toContain('hunter2');
    expect(removed.at(-1)).toEqual({ rule: 'beyond_bounds', path: 'attributes.40.value.string_value', n: 32 });
  });

  it('is a record with more to remove than is worth a list: its ids and times are kept', () => {
    const many = Array.from({ length: 600 }, () => [9, keyValue('k', secret)] as const);
    const { bytes, removed } = redact(message([...identity, ...many]));
    expect(Buffer.from(bytes)).toEqual(message(identity));
    expect(removed).toHaveLength(513);
    expect(removed[256]?.rule).toBe('beyond_bounds');
    expect(removed.at(-1)).toEqual({ rule: 'beyond_bounds', path: 'body', n: 32_768 });
  });

  it('is a record with more fields than are walked', () => {
    for (const many of [
      Array.from({ length: 140_000 }, () => [9, Buffer.alloc(0)] as const),
      [[9, message(Array.from({ length: 140_000 }, (_, at) => [1 + (at % 2), secret] as const))] as const],
    ]) {
      const { bytes, removed } = redact(message([...identity, ...many, [9, keyValue('k', secret)]]));
      expect(removed.map((removal) => [removal.rule, removal.path])).toEqual([['beyond_bounds', 'body']]);
      expect(Buffer.from(bytes)).toEqual(message(identity));
    }
  });

  it('is read in one go when values have thousands of keys', () => {
    const pair = message([
      ...Array.from({ length: 30_000 }, () => [1, text('k')] as const),
      ...Array.from({ length: 30_000 }, () => [2, any('v')] as const),
      [1, text('password')],
    ]);
    expect(redact(message([[9, pair]])).removed.at(-1)?.path).toBe('body');
  });
});

describe('the recorded spans of real clients', () => {
  it('have nothing to redact', () => {
    const slices = TRACE_CAPTURES.flatMap(({ encoding, body }) =>
      encoding === 'json' ? decodeTracesJson(body).spans : decodeTraces(body).spans,
    );
    expect(slices.length).toBeGreaterThan(70);
    for (const { bytes } of slices) expect(redact(bytes).bytes).toBe(bytes);
  });
});
