import { describe, expect, it } from 'vitest';
import { verificationPage } from '../src/page.js';
import type { Verification } from '../src/verify.js';

const HOSTILE = `<script>alert(1)</script>"' onload=x & \u202e\u0000\u{1f600}`;

const found: Verification = {
  verdict: 'CONTRADICTED',
  findings: [{ code: 'RECORD_MALFORMED', entry: HOSTILE, expected: HOSTILE, found: HOSTILE }],
  unlisted: 3,
  statement: {
    format: 'sworn.bundle/1',
    scope: { kind: 'RUN', tenant_id: HOSTILE, run_id: HOSTILE },
    disclosure: 'none',
    logs: [],
    complete_by: { log: HOSTILE, leaf_index: 4, checksum: HOSTILE },
  },
  logs: [{ log: HOSTILE, origin: HOSTILE, size: 5, shown: 5, withheld: 0, signedBy: HOSTILE }],
  attested: HOSTILE,
  notEvidence: [HOSTILE],
};

describe('the page of a check', () => {
  const page = verificationPage(HOSTILE, found);

  it('shows what a bundle says as text alone, whatever it says', () => {
    expect(page).not.toContain('<script');
    expect(page).not.toMatch(/[^\n -~]/);
    // Of a hostile text, no quote and no sign that begins or ends a tag stands as itself.
    expect(page.split('alert(1)').length).toBeGreaterThan(10);
    for (const before of page.split('alert(1)').slice(0, -1)) expect(before.endsWith('&lt;script&gt;')).toBe(true);
  });

  it('can do nothing: a policy forbids what it does not have', () => {
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(page).not.toMatch(/<(a|img|link|iframe|form|object|svg)\b|https?:|url\(/i);
  });

  it('says the verdict, every finding, and how many there were beyond those', () => {
    expect(page).toContain('CONTRADICTED: this is not what was recorded, or not all of it');
    expect(page).toContain('RECORD_MALFORMED');
    expect(page).toContain('And 3 more.');
  });

  it('says of what could not be read that it could not', () => {
    const nothing = verificationPage('a.zip', { ...found, statement: null, logs: [], attested: null, notEvidence: [] });
    expect(nothing).toContain('It could not be read.');
    expect(nothing).toContain('None could be looked at.');
  });
});
