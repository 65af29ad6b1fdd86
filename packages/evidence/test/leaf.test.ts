import reference from 'canonicalize';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concat, fromUtf8, hex, utf8 } from '../src/bytes.js';
import { commit, sizeClass } from '../src/commitment.js';
import type { JsonValue } from '../src/json.js';
import { decodeLeaf, encodeLeaf, type LeafFields } from '../src/leaf.js';
import { LeafRefused } from '../src/malformed.js';
import { isTimestamp } from '../src/time.js';
import { token } from '../src/token.js';
import { refusalOf } from './refusal.js';
import { RUN, STEP } from './sample.js';

const text = (fields: LeafFields): string => fromUtf8(encodeLeaf(fields));
const without = (member: string): LeafFields =>
  Object.fromEntries(Object.entries(STEP).filter(([name]) => name !== member)) as LeafFields;

describe('a leaf', () => {
  it('is canonical JSON, whatever the order of its members', () => {
    const canonical = (reference as unknown as (v: unknown) => string)(STEP);
    expect(text(STEP)).toBe(canonical);
    expect(text(Object.fromEntries(Object.entries(STEP).toReversed()) as LeafFields)).toBe(canonical);
  });

  it('is read back, with its common members by name and all of them as written', () => {
    const leaf = decodeLeaf(encodeLeaf(STEP));
    expect(leaf).toMatchObject({
      log: STEP.log,
      kind: 'STEP',
      by: 'producer',
      key: STEP.key,
      eventKey: STEP.event_key,
      map: 1,
      dk: STEP.dk,
      r: STEP.r,
    });
    expect(leaf).toMatchObject({ occurredAt: STEP.occurred_at, recordedAt: STEP.recorded_at, c: STEP.c });
    expect({ ...leaf.fields }).toMatchObject(STEP);
    expect(decodeLeaf(encodeLeaf(RUN))).toMatchObject({
      kind: 'RUN',
      by: 'sworn',
      key: null,
      map: null,
      c: null,
      dk: null,
    });
  });

  it('leaves room of fixed width: another time or hash in the same place is again a leaf', () => {
    const bytes = encodeLeaf({ ...STEP, recorded_at: '1970-01-01T00:00:00.000000Z', resource: '0'.repeat(64) });
    const patched = fromUtf8(bytes)
      .replace('1970-01-01T00:00:00.000000Z', STEP.recorded_at)
      .replace('0'.repeat(64), '4bf92f3577b34da6a3ce929d0e0e4736'.repeat(2));
    expect(utf8(patched)).toEqual(encodeLeaf(STEP));
  });

  it('belongs to the caller, who may write into it', () => {
    const first = encodeLeaf(STEP);
    encodeLeaf(RUN);
    expect(fromUtf8(first)).toBe(text(STEP));
    expect(first.byteLength).toBe(first.buffer.byteLength);
  });

  it('is refused before it is written', () => {
    const committed = { pc: 'a'.repeat(64), ch: 'b'.repeat(64), n: 16 };
    const changes: [Record<string, unknown>, string][] = [
      [{ t: 'sworn.leaf/2' }, 'unknown_type'],
      [{ t: undefined }, 'unknown_type'],
      [{ log: 'llm-runs' }, 'member'],
      [{ log: 'd/3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f/other' }, 'member'],
      [{ log: 'D/3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f/audit' }, 'member'],
      [{ log: 'd/3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f/audit.1' }, 'member'],
      [{ log: 'd/3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f/audit.02' }, 'member'],
      [{ log: `${'d'.repeat(64)}/3f2b6c1a-0d4e-4c55-9a77-2b1f0c9d8e7f/audit` }, 'member'],
      [{ log: 'd/3F2B6C1A-0d4e-4c55-9a77-2b1f0c9d8e7f/audit' }, 'member'],
      [{ kind: 'step' }, 'member'],
      [{ kind: '' }, 'member'],
      [{ kind: 7 }, 'member'],
      [{ by: 'someone' }, 'member'],
      [{ by: 'sworn' }, 'member'],
      [{ key: undefined }, 'member'],
      [{ key: 'not-a-uuid' }, 'member'],
      [{ event_key: 'ab' }, 'member'],
      [{ event_key: STEP.event_key.toUpperCase() }, 'member'],
      [{ occurred_at: '2025-11-25T01:02:03Z' }, 'member'],
      [{ recorded_at: '2025-02-29T01:02:03.000000Z' }, 'member'],
      [{ map: 0 }, 'member'],
      [{ map: '1' }, 'member'],
      [{ map: 1.5 }, 'number'],
      [{ r: 'short' }, 'member'],
      [{ dk: undefined }, 'member'],
      [{ c: undefined }, 'member'],
      [{ dk: 'x' }, 'member'],
      [{ c: {} }, 'member'],
      [{ c: [] }, 'member'],
      [{ c: null }, 'member'],
      [{ c: { body: null } }, 'member'],
      [{ c: { 'a-b': committed } }, 'member'],
      [{ c: { Body: committed } }, 'member'],
      [{ c: { body: { ...committed, more: 1 } } }, 'member'],
      [{ c: { body: { pc: committed.pc, ch: committed.ch } } }, 'member'],
      [{ c: { body: { ...committed, pc: 'a' } } }, 'member'],
      [{ c: { body: { ...committed, n: 17 } } }, 'member'],
      [{ c: { body: { ...committed, n: 8 } } }, 'member'],
      [{ c: { body: { ...committed, n: '16' } } }, 'member'],
      [{ Upper: 1 }, 'member_name'],
      [{ '': 1 }, 'member_name'],
      [{ 'a b': 1 }, 'member_name'],
      [{ ä: 1 }, 'member_name'],
      [{ ['x'.repeat(65)]: 1 }, 'member_name'],
      [{ deep: { Upper: 1 } }, 'member_name'],
      [{ x: 1.5 }, 'number'],
      [{ x: 2 ** 53 }, 'number'],
      [{ x: [Number.NaN] }, 'number'],
      [{ x: '\ud800' }, 'string'],
      [{ x: { y: ['\udfff'] } }, 'string'],
      [{ x: '\uffff' }, 'string'],
      [{ x: Array.from({ length: 65 }, () => 0) }, 'list_too_long'],
      [{ x: [[[[[[[[1]]]]]]]] }, 'too_deep'],
      [{ x: undefined }, 'not_json'],
      [{ x: 1n }, 'not_json'],
      [{ x: 'y'.repeat(16 * 1024) }, 'too_large'],
      [{ x: Array.from({ length: 64 }, () => 'y'.repeat(256)) }, 'too_large'],
    ];
    for (const [change, code] of changes) {
      const given = Object.fromEntries(
        Object.entries({ ...STEP, ...change }).filter(([name, v]) => v !== undefined || name === 'x'),
      ) as LeafFields;
      expect(
        refusalOf(() => encodeLeaf(given)),
        JSON.stringify(change, (_, v: unknown) => (typeof v === 'bigint' ? 'bigint' : v))?.slice(0, 80),
      ).toBe(code);
    }
    for (const member of ['log', 'kind', 'by', 'key', 'event_key', 'occurred_at', 'recorded_at', 'r', 'dk', 'c'])
      expect(
        refusalOf(() => encodeLeaf(without(member))),
        member,
      ).toBe('member');
    expect(() => encodeLeaf(without('r'))).toThrow(LeafRefused);
  });

  it('may be as large as 16 KiB and its lists as long as 64, and no more', () => {
    const room = 16 * 1024 - encodeLeaf({ ...STEP, x: '' }).length;
    expect(encodeLeaf({ ...STEP, x: 'y'.repeat(room) })).toHaveLength(16 * 1024);
    expect(refusalOf(() => encodeLeaf({ ...STEP, x: 'y'.repeat(room + 1) }))).toBe('too_large');
    expect(refusalOf(() => encodeLeaf({ ...STEP, x: 'ß'.repeat(room) }))).toBe('too_large');
    expect(refusalOf(() => encodeLeaf({ ...STEP, x: Array.from({ length: 64 }, () => 1) }))).toBe('accepted');
    expect(refusalOf(() => encodeLeaf({ ...STEP, x: [[[[[[[1]]]]]]] }))).toBe('accepted');
  });

  it('is refused when it is read in any form but the canonical one', () => {
    const good = text(STEP);
    const cases: [string | Uint8Array, string][] = [
      [`${good} `, 'not_canonical'],
      [` ${good}`, 'not_canonical'],
      [`${good}\n`, 'not_canonical'],
      [good.replace('"by":', '"by" :'), 'not_canonical'],
      [good.replace('"STEP"', '"\\u0053TEP"'), 'not_canonical'],
      [
        good.replace('"status":"OK",', '').replace('"t":', '"status":"OK","t":').replace('"step_kind"', '"step_kind"'),
        'not_canonical',
      ],
      [good.replace('"by":"producer"', '"by":"producer","by":"producer"'), 'duplicate_member'],
      [good.replace('"body":{', '"body":{"n":16,'), 'duplicate_member'],
      [good.replace('sworn.leaf/1', 'sworn.leaf/2'), 'unknown_type'],
      [good.replace('"duration_us":500000', '"duration_us":5e5'), 'number'],
      [good.replace('"duration_us":500000', '"duration_us":-0'), 'number'],
      [good.replace('"service"', '"Service"'), 'member_name'],
      [good.replace('"LLM"', '"\\ud83d"'), 'string'],
      [good.slice(0, -1), 'not_json'],
      [`\ufeff${good}`, 'not_json'],
      ['{}', 'unknown_type'],
      ['[]', 'member'],
      ['null', 'member'],
      ['"sworn.leaf/1"', 'member'],
      ['{"t":"sworn.leaf/1"}', 'member'],
      [concat(utf8(good.slice(0, 40)), Uint8Array.of(0xff), utf8(good.slice(40))), 'not_utf8'],
      [`${good.slice(0, -1)},"x":${'['.repeat(9_000)}`, 'too_deep'],
      [`${good}${' '.repeat(16 * 1024)}`, 'too_large'],
    ];
    for (const [given, code] of cases) {
      const bytes = typeof given === 'string' ? utf8(given) : given;
      expect(
        refusalOf(() => decodeLeaf(bytes)),
        String(given).slice(0, 60),
      ).toBe(code);
      expect(() => decodeLeaf(bytes)).toThrow(LeafRefused);
    }
  });

  it('that was changed in one byte is either refused or another leaf, never the same', () => {
    const bytes = encodeLeaf(STEP);
    const before = decodeLeaf(bytes);
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.map((byte, i) => (i === at ? byte ^ change : byte));
        if (refusalOf(() => decodeLeaf(changed)) !== 'accepted') return;
        expect(decodeLeaf(changed)).not.toEqual(before);
        expect(encodeLeaf(decodeLeaf(changed).fields as LeafFields)).toEqual(changed);
      }),
      { numRuns: 3000 },
    );
  });

  it('holds any fields that the rules allow', () => {
    const name = fc.stringMatching(/^x[a-z0-9_.-]{0,20}$/);
    const scalar: fc.Arbitrary<JsonValue> = fc.oneof(
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constant(null),
    );
    fc.assert(
      fc.property(
        fc.dictionary(
          name,
          fc.oneof(scalar, fc.array(scalar, { maxLength: 5 }), fc.dictionary(name, scalar, { maxKeys: 3 })),
          { maxKeys: 10 },
        ),
        (fields) => {
          const bytes = encodeLeaf({ ...STEP, ...fields });
          expect(encodeLeaf(decodeLeaf(bytes).fields as LeafFields)).toEqual(bytes);
        },
      ),
    );
  });
});

describe('what stands in a leaf', () => {
  it('is a time with six digits and Z, on a day that exists', () => {
    const good = [
      '1970-01-01T00:00:00.000000Z',
      '2024-02-29T23:59:59.999999Z',
      '2000-02-29T00:00:00.000000Z',
      '9999-12-31T23:59:59.999999Z',
      '0001-01-01T00:00:00.000000Z',
      '2025-01-31T00:00:00.000000Z',
    ];
    for (const time of good) expect(isTimestamp(time), time).toBe(true);
    const bad = [
      '',
      '2025-02-29T00:00:00.000000Z',
      '1900-02-29T00:00:00.000000Z',
      '2025-04-31T00:00:00.000000Z',
      '2025-00-01T00:00:00.000000Z',
      '2025-13-01T00:00:00.000000Z',
      '2025-01-00T00:00:00.000000Z',
    ];
    bad.push(
      '2025-01-32T00:00:00.000000Z',
      '2025-01-01T24:00:00.000000Z',
      '2025-01-01T00:60:00.000000Z',
      '2025-01-01T23:59:60.000000Z',
      '2025-01-01T00:00:00.00000Z',
      '2025-01-01T00:00:00.0000000Z',
    );
    bad.push(
      '2025-01-01T00:00:00.000000',
      '2025-01-01T00:00:00.000000z',
      '2025-01-01t00:00:00.000000Z',
      '2025-01-01 00:00:00.000000Z',
      '2025-01-01T00:00:00.000000+00:00',
      '0000-01-01T00:00:00.000000Z',
    );
    bad.push(
      '+2025-01-01T00:00:00.000000Z',
      '٢٠٢٥-01-01T00:00:00.000000Z',
      '2025-01-01T00:00:00.000000Z\n',
      ' 2025-01-01T00:00:00.000000Z',
      '2025-1-01T00:00:00.000000Z',
    );
    for (const time of bad) expect(isTimestamp(time), time).toBe(false);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9999 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 31 }),
        (y, m, d) => {
          const day = `${String(y).padStart(4, '0')}-${String(m).padStart(2, '0')}-${String(d).padStart(2, '0')}`;
          const date = new Date(`${day}T00:00:00Z`);
          const exists = !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
          expect(isTimestamp(`${day}T00:00:00.000000Z`)).toBe(exists);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('is a size class, not a length', () => {
    expect([0, 1, 16, 17, 32, 33, 1000, 1024, 1025, 2 ** 31 + 1].map(sizeClass)).toEqual([
      16,
      16,
      16,
      32,
      32,
      64,
      1024,
      1024,
      2048,
      2 ** 32,
    ]);
  });

  it('is a token that is the same for the same person of the same tenant', () => {
    const key = new Uint8Array(32).fill(1);
    expect(token(key, 'ada@example.com')).toMatch(/^tok_[0-9a-f]{32}$/);
    expect(token(key, 'ada@example.com')).toBe(token(key, 'ada@example.com'));
    expect(token(key, 'ada@example.com')).not.toBe(token(new Uint8Array(32).fill(2), 'ada@example.com'));
  });

  it('is a commitment to salt, path and value', () => {
    const salt = new Uint8Array(32).fill(1);
    const base = hex(commit(salt, 'body', utf8('value')));
    const others = [
      commit(salt, 'body2', utf8('value')),
      commit(salt, 'bod', utf8('y\0value')),
      commit(new Uint8Array(32), 'body', utf8('value')),
      commit(salt, 'body', utf8('value ')),
    ];
    for (const changed of others) expect(hex(changed)).not.toBe(base);
  });
});
