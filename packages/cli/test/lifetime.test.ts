import { describe, expect, test } from 'vitest';
import { parseLifetime } from '../src/lifetime.js';

const NOW = Date.parse('2026-11-01T00:00:00Z');

describe('how long a key lives', () => {
  test.each([
    ['30d', 30 * 86_400_000],
    ['12h', 12 * 3_600_000],
    ['90m', 90 * 60_000],
    ['2026-11-02', 86_400_000],
    ['2026-11-01T01:00:00Z', 3_600_000],
  ])('%s is understood', (text, ms) => {
    expect(parseLifetime(text, NOW)).toBe(ms);
  });

  test.each(['', '0d', '30', '-1d', '1y', 'tomorrow', '2026-10-31', '2026-13-01', '9'.repeat(400)])(
    '"%s" is refused',
    (text) => {
      expect(() => parseLifetime(text, NOW)).toThrow(/30d/);
    },
  );
});
