import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable, printableJson, table } from '../src/terminal.js';

const OBEYED = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/u;

describe('what a command prints', () => {
  test('shows a name that would clear the screen or turn text round, instead of obeying it', () => {
    expect(printable('a\u001b[2Jb')).toBe('a\\u{1b}[2Jb');
    expect(printable('pay \u202egnp.exe')).toBe('pay \\u{202e}gnp.exe');
    expect(printable('line\nforged: ok')).toBe('line\\u{a}forged: ok');
    expect(printable('Grüße 👍 漢字')).toBe('Grüße 👍 漢字');
  });

  test('never lets through anything a terminal obeys, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !OBEYED.test(printable(text))));
  });

  test('is JSON that parses back to the same value, and that no terminal obeys', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const shown = printableJson({ name: text });
        expect(JSON.parse(shown)).toEqual({ name: text });
        expect(shown.split('\n').some((line) => OBEYED.test(line))).toBe(false);
      }),
    );
  });

  test('lines columns up under their headings', () => {
    expect(table(['A', 'B'], [['longer', 'x']])).toEqual(['A       B', 'longer  x']);
  });
});
