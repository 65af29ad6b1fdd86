import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { disclosureLine, isDisclosed, parseDisclosure } from '../src/bundle/disclosureLine.js';
import { parseRange, rangeText } from '../src/bundle/rangeFile.js';
import { parseStatement, type Statement, statementText } from '../src/bundle/statement.js';
import { DISCLOSURES } from '../src/bundle/statementHead.js';
import { hex } from '../src/bytes.js';
import { commit, sizeClass } from '../src/commitment.js';
import { runSample } from './runSample.js';

const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const text = fc.string({ unit: 'binary' });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });

/** Every text that is one character away: a character gone, doubled, or another. */
const nearOf = (whole: string) =>
  fc
    .tuple(fc.nat({ max: whole.length - 1 }), fc.constantFrom('', ' ', '0', 'x', '"', ','))
    .map(([at, other]) => whole.slice(0, at) + other + whole.slice(at + 1));

describe('range.json', () => {
  const range = fc
    .record({
      log: fc.constantFrom('llm-runs', 'audit.2', 'system'),
      size: count,
      indexes: fc.uniqueArray(fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 1_000_000_000 })), { maxLength: 60 }),
      path: fc.array(hash, { maxLength: 8 }),
    })
    .map((one) => ({ ...one, indexes: one.indexes.sort((a, b) => a - b) }));

  test('is read back as what was written', () => {
    fc.assert(
      fc.property(range, (one) => {
        expect(parseRange([...rangeText(one)].join(''))).toEqual(one);
      }),
    );
  });

  test('is read in the one spelling that it has, or not at all', () => {
    fc.assert(
      fc.property(
        range.chain((one) => nearOf([...rangeText(one)].join(''))),
        (near) => {
          const read = whatOf(() => parseRange(near));
          if (read !== null) expect([...rangeText(read)].join('')).toBe(near);
        },
      ),
    );
  });

  test.each([
    ['no object', '[]'],
    ['no JSON', '{'],
    ['no proof', '{"log":"a","size":1}'],
    ['a range of nothing', '{"log":"a","size":1,"indexes":[[0,0]],"path":[\n]}\n'],
    ['ranges that touch', '{"log":"a","size":3,"indexes":[[0,1],[1,1]],"path":[\n]}\n'],
    ['a log of no such name', '{"log":"a b","size":1,"indexes":[[0,1]],"path":[\n]}\n'],
    ['a million lists in one another', `{"log":"a","size":1,"indexes":${'['.repeat(1_000_000)}`],
    ['a fraction', '{"log":"a","size":3,"indexes":[[0.5,1]],"path":[\n]}\n'],
    ['a billion leaves in twenty bytes', '{"log":"a","size":3,"indexes":[[0,1000000000]],"path":[\n]}\n'],
    ['a short hash', '{"log":"a","size":1,"indexes":[[0,1]],"path":[\n"AAAA"\n]}\n'],
    ['a member more', '{"log":"a","size":1,"indexes":[[0,1]],"path":[\n],"x":1}\n'],
  ])('with %s is refused', (_, file) => {
    expect(() => parseRange(file)).toThrow(expect.objectContaining({ code: 'range' }));
  });
});

describe('statement.json', () => {
  const statement = fc.record({
    format: fc.constant('sworn.bundle/1' as const),
    scope: fc.record({ kind: fc.constant('RUN' as const), tenant_id: text, run_id: text }),
    disclosure: fc.constantFrom(...DISCLOSURES),
    logs: fc.array(
      fc.record({
        log: text,
        origin: text,
        size: count,
        shown: count,
        withheld: count,
        disclosed: count,
        undisclosed: count,
        erased: count,
      }),
      { maxLength: 4 },
    ),
    complete_by: fc.record({ log: text, leaf_index: count, checksum: text }),
  });

  test('is read back as what was written', () => {
    fc.assert(
      fc.property(statement, (one: Statement) => {
        expect(parseStatement(statementText(one))).toEqual(one);
      }),
    );
  });

  test('is read in the one spelling that it has, or not at all', () => {
    const whole = statementText(runSample(3).statement);
    fc.assert(
      fc.property(nearOf(whole), (near) => {
        const read = whatOf(() => parseStatement(near));
        if (read !== null) expect(statementText(read)).toBe(near);
      }),
    );
  });

  const time = (day: number) => `2026-01-${day}T00:00:00.000000Z`;
  const sample = fc.record({ size: fc.integer({ min: 1, max: 9 }), nonce: fc.constant('a-nonce-of-sixteen') });
  const ofLogs = fc.record({
    format: fc.constant('sworn.bundle/1' as const),
    scope: fc.record({
      kind: fc.constant('LOGS' as const),
      tenant_id: text,
      logs: fc.constantFrom('audit' as const, 'compliance' as const),
      from: fc.integer({ min: 10, max: 15 }).map(time),
      to: fc.integer({ min: 16, max: 20 }).map(time),
      sample: fc.oneof(fc.constant(null), fc.constant({ size: 0, nonce: null }), sample),
    }),
    disclosure: fc.constantFrom(...DISCLOSURES),
    logs: fc.constant([]),
    complete_by: fc.array(
      fc.record({ log: text, first: count, count, before: fc.option(count), after: fc.option(count) }),
      { maxLength: 3 },
    ),
    population: count,
    uncovered: fc.array(text, { maxLength: 2 }),
  });

  test('of logs is read back as what was written', () => {
    fc.assert(
      fc.property(ofLogs, (one: Statement) => {
        expect(parseStatement(statementText(one))).toEqual(one);
      }),
    );
  });

  test.each([
    ['of logs that are not known', { logs: 'llm-runs' }],
    ['of a period that runs backwards', { from: time(20), to: time(10) }],
    ['of a period of other words', { from: '2026-01-10' }],
    ['with a nonce that draws nothing', { sample: { size: 0, nonce: 'a-nonce-of-sixteen' } }],
    ['with a draw that nobody can repeat', { sample: { size: 3, nonce: null } }],
  ])('%s is refused', (_, other) => {
    const [one] = fc.sample(ofLogs, { numRuns: 1, seed: 1 });
    const file = `${JSON.stringify({ ...one, scope: { ...one?.scope, ...other } }, null, 2)}\n`;
    expect(() => parseStatement(file)).toThrow(expect.objectContaining({ code: 'statement' }));
  });

  test.each([
    ['of another format', { format: 'sworn.bundle/2' }],
    ['of a scope that is not known', { scope: { kind: 'INCIDENT', tenant_id: 'a', run_id: 'b' } }],
    ['that discloses some', { disclosure: 'some' }],
    ['without logs', { logs: undefined }],
    ['with fewer than none', { complete_by: { log: 'llm-runs', leaf_index: -1, checksum: 'sha256:' } }],
    ['with half a record', { complete_by: { log: 'llm-runs', leaf_index: 0.5, checksum: 'sha256:' } }],
    ['that says more', { more: true }],
  ])('%s is refused', (_, other) => {
    const file = `${JSON.stringify({ ...runSample(3).statement, ...other }, null, 2)}\n`;
    expect(() => parseStatement(file)).toThrow(expect.objectContaining({ code: 'statement' }));
  });
});

describe('a line of disclosures', () => {
  const path = fc.string({ unit: fc.constantFrom(...Array.from('abcxyz019_.')), minLength: 1, maxLength: 64 });
  const body = fc.record({ index: count, path, salt: hash, value: fc.uint8Array({ maxLength: 200 }) });

  test('is read back as what was written, and is what its leaf committed to, and no other', () => {
    fc.assert(
      fc.property(body, fc.nat(), (one, at) => {
        expect(parseDisclosure(disclosureLine(one))).toEqual(one);
        const committed = {
          pc: hex(commit(one.salt, one.path, one.value)),
          ch: '0'.repeat(64),
          n: sizeClass(one.value.length),
        };
        expect(isDisclosed(one, committed)).toBe(true);
        const salt = one.salt.map((byte, i) => (i === at % 32 ? byte ^ 1 : byte));
        expect(isDisclosed({ ...one, salt }, committed)).toBe(false);
        expect(isDisclosed({ ...one, value: Uint8Array.of(...one.value, 0) }, committed)).toBe(false);
      }),
    );
  });

  const good = disclosureLine({ index: 7, path: 'body', salt: new Uint8Array(32), value: Uint8Array.of(1, 2, 3, 4) });
  test.each([
    ['its end', `${good}\n`],
    ['a space', good.replace(',', ', ')],
    ['a zero before its index', good.replace(':7,', ':07,')],
    ['an index below nothing', good.replace(':7,', ':-7,')],
    ['an index of a hundred digits', good.replace(':7,', `:${'7'.repeat(100)},`)],
    ['a path with a quote in it', good.replace('"body"', '"bo\\"dy"')],
    ['a path in capitals', good.replace('body', 'BODY')],
    ['no path', good.replace('"body"', '""')],
    ['a long path', good.replace('body', 'b'.repeat(65))],
    ['a short salt', good.replace('00"', '"')],
    ['a salt in capitals', good.replace('"salt":"0', '"salt":"A')],
    ['a member more', good.replace('}', ',"x":1}')],
    ['its members in another order', `{"path":"body",${good.slice(1).replace('"path":"body",', '')}`],
    ['base64 with a bit too many', good.replace('AQIDBA==', 'AQIDBB==')],
    ['base64 without its padding', good.replace('AQIDBA==', 'AQIDBA')],
    ['padding in the middle', good.replace('AQIDBA==', 'AQ==AQ==')],
  ])('with %s is refused', (_, line) => {
    expect(good).toContain('AQIDBA==');
    expect(line).not.toBe(good);
    expect(() => parseDisclosure(line)).toThrow(expect.objectContaining({ name: 'Malformed' }));
  });
});

/** What is read; null where it is refused. Anything but a refusal is a bug. */
function whatOf<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    expect(error).toMatchObject({ name: 'Malformed' });
    return null;
  }
}
