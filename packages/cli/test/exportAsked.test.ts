import { describe, expect, test } from 'vitest';
import { exportAsked, type ExportOptions } from '../src/exportAsked.js';

const NONCE = 'a-nonce-of-16-or-more';
const asked = (options: Partial<ExportOptions>) => exportAsked({ format: 'zip', ...options });

describe('what sworn export is asked for', () => {
  test('is a run, all of which is disclosed as OTLP, and nothing unless said', () => {
    expect(asked({ run: 'a' })).toEqual({ scope: { kind: 'RUN', runId: 'a' }, disclosure: 'none' });
    expect(asked({ run: 'a', format: 'otlp' })).toMatchObject({ disclosure: 'all' });
  });

  test('is logs in a period, of days or moments in UTC', () => {
    expect(asked({ scope: 'audit', from: '2026-01-01', to: '2026-01-01T10:30:00.25Z' })).toEqual({
      scope: {
        kind: 'LOGS',
        logs: 'audit',
        from: '2026-01-01T00:00:00.000000Z',
        to: '2026-01-01T10:30:00.250000Z',
        sample: null,
      },
      disclosure: 'none',
    });
  });

  test('is an earlier export, disclosed as it was unless something else is said, or a sample of it', () => {
    expect(asked({ asOf: 'exp_1' })).toEqual({ asOf: 'exp_1', disclosure: null, sample: null });
    expect(asked({ asOf: 'exp_1', disclose: 'all', sample: '2', nonce: NONCE })).toEqual({
      asOf: 'exp_1',
      disclosure: 'all',
      sample: { size: 2, nonce: NONCE },
    });
    expect(asked({ asOf: 'exp_1', sample: '0' })).toMatchObject({ sample: { size: 0, nonce: null } });
  });

  const period = { scope: 'audit', from: '2026-01-01', to: '2026-02-01' } as const;

  test.each<[string, Partial<ExportOptions>, RegExp]>([
    ['nothing', {}, /^one of --run/],
    ['two things', { run: 'a', asOf: 'exp_1' }, /one bundle is about one of them/],
    ['logs without an end', { scope: 'audit', from: '2026-01-01' }, /needs a period/],
    ['a period that runs backwards', { scope: 'audit', from: '2026-02-01', to: '2026-01-01' }, /is not before/],
    ['a day that there is not', { ...period, to: '2026-02-30' }, /^--to 2026-02-30 is no time/],
    ['a time of another zone', { ...period, to: '2026-02-03T10:00:00+01:00' }, /is no time/],
    ['a run in a period', { run: 'a', from: '2026-01-01' }, /go with --scope/],
    ['a sample of a run', { run: 'a', sample: '2', nonce: NONCE }, /a run is shown whole/],
    ['a sample without a nonce', { ...period, sample: '2' }, /first hand him the bundle of --sample 0/],
    ['a nonce that is guessed', { ...period, sample: '2', nonce: 'abc' }, /16 to 128/],
    ['a nonce for none', { ...period, sample: '0', nonce: NONCE }, /draws nothing/],
    ['a nonce without a sample', { ...period, nonce: NONCE }, /goes with --sample/],
    ['half a record', { ...period, sample: '1.5', nonce: NONCE }, /is no number/],
    ['logs as OTLP', { ...period, format: 'otlp' }, /logs have no spans/],
    ['OTLP that discloses nothing', { run: 'a', format: 'otlp', disclose: 'none' }, /discloses all/],
  ])('makes sense: %s does not, and it says what would', (_, options, detail) => {
    expect(() => asked(options)).toThrow(
      expect.objectContaining({ exitCode: 2, message: expect.stringMatching(detail) }),
    );
  });
});
