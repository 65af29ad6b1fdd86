import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEEP_LINKS, FACADE_PREFIX, PATH_ID } from '../src/index.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const [byTrace, byConversation, byRun] = DEEP_LINKS.map((link) => link.target) as [Target, Target, Target];
type Target = (pasted: string) => string | null;

describe('a deep link by trace', () => {
  it.each([
    ['as answers show it', TRACE],
    ['in upper case', TRACE.toUpperCase()],
    ['with the dashes of a UUID', '4bf92f35-77b3-4da6-a3ce-929d0e0e4736'],
    ['a whole traceparent', `00-${TRACE}-00f067aa0ba902b7-01`],
    ['a traceparent in upper case', `00-${TRACE.toUpperCase()}-00F067AA0BA902B7-01`],
    [
      'a traceparent of a version to come, with more behind it',
      `cc-${TRACE}-00f067aa0ba902b7-01-what-the-future-holds`,
    ],
    ['an X-Ray id', '1-4bf92f35-77b34da6a3ce929d0e0e4736'],
    ['an X-Ray header', 'Root=1-4bf92f35-77b34da6a3ce929d0e0e4736'],
    ['with blanks around it', ` ${TRACE}\n`],
  ])('takes it %s', (_how, pasted) => {
    expect(byTrace(pasted)).toBe(`${FACADE_PREFIX}/llm-runs?trace_id=${TRACE}`);
  });

  it.each([
    '',
    'abc',
    TRACE.slice(1),
    `${TRACE}0`,
    '0'.repeat(32),
    `ff-${TRACE}-00f067aa0ba902b7-01`,
    `00-${TRACE}`,
    '..',
  ])('does not take %j', (pasted) => {
    expect(byTrace(pasted)).toBeNull();
  });
});

describe('a deep link by conversation', () => {
  it('takes what the list takes, and gives it back exactly', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (id) => {
        const target = byConversation(id);
        if (target !== null) {
          expect(new URLSearchParams(target.split('?')[1]).get('conversation_id')).toBe(id);
        }
      }),
    );
    for (const id of ['user/42', 'a b', '?x=1&y#z', '../..', '//evil.example', '💬', '100%']) {
      expect(new URLSearchParams(byConversation(id)?.split('?')[1]).get('conversation_id')).toBe(id);
    }
  });

  it.each(['', 'a\r\nb', '\u0000', '\u007f', '\ud800', 'a'.repeat(257)])('does not take %j', (id) => {
    expect(byConversation(id)).toBeNull();
  });
});

describe('a deep link by run', () => {
  it('takes what a path takes, but for what leads up', () => {
    expect(byRun('shop:run-7@eu')).toBe(`${FACADE_PREFIX}/llm-runs/shop%3Arun-7%40eu/envelope`);
    for (const id of ['.', '..', '', 'a/b', 'a'.repeat(257), '%2e%2e', 'a b']) expect(byRun(id)).toBeNull();
  });
});

describe('no deep link', () => {
  it('leads anywhere but to one endpoint of the facade, whatever is pasted', () => {
    const pasted = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.stringMatching(PATH_ID),
      fc
        .array(
          fc.constantFrom('/', '\\', '..', '.', '%2f', '%5c', 'http:', 'evil.example', '@', '\r\n', '\t', '?', '#'),
          { maxLength: 8 },
        )
        .map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(fc.constantFrom(...DEEP_LINKS), pasted, ({ target }, text) => {
        const location = target(text);
        if (location === null) return;
        expect(location).toMatch(/^[\x21-\x7e]+$/);
        // As a browser would resolve it.
        const url = new URL(location, 'https://sworn.example/t/x');
        expect(url.origin).toBe('https://sworn.example');
        expect(url.pathname).toMatch(new RegExp(`^${FACADE_PREFIX}/llm-runs(/[^/]+/envelope)?$`));
        expect(url.hash).toBe('');
      }),
      { numRuns: 2_000 },
    );
  });
});
