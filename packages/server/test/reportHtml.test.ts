import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { reportHtml } from '../src/export/report/html.js';
import type { Report } from '../src/export/report/report.js';
import { codeOf, piecesOf } from '../src/export/report/text.js';
import { HOSTILE, hostileContent, sampleReport } from './reportSample.js';

const textOf = async (report: Report): Promise<string> => {
  let text = '';
  for await (const piece of reportHtml(report)) text += piece;
  return text;
};

/** Names and attributes of every element, read as a browser reads them: up to the next `>`, since every `>` of a text is escaped. */
const tagsOf = (html: string): string[] => [...html.matchAll(/<[^>]*>/g)].map(([tag]) => tag);

describe('the report as a page', () => {
  test('a lawyer finds there what happened, who was involved, what was decided, what it cost, and how to check it', async () => {
    const html = await textOf(await sampleReport(40));
    const headings = [...html.matchAll(/<h([123])>([^<]*)</g)].map(([, level, text]) => `${level} ${text}`);
    expect(headings).toEqual([
      '1 Report on a run of an AI system',
      '2 Summary',
      '2 What happened',
      '2 Governance decisions',
      '2 Who and what was involved',
      '2 Tokens and cost',
      '2 What is not shown',
      '2 Chain of custody',
      '2 Integrity statement',
      '3 Log audit',
      '3 Log llm-runs',
      '3 Log system',
      '2 How to check',
    ]);
    expect(html).toContain('It is no evidence by itself: the records are.');
    expect(html).toContain('sworn verify bundle.zip --key FILE');
    expect(html).toContain('attestation.dsse.json');
    for (const said of ['refund-limit', 'payments.refund', 'tok_2e6f1a0b9c8d7e6f5a4b3c2d1e0f9a8b', '0.0513024 USD'])
      expect(html, said).toContain(said);
  });

  test('every row of the run is there, each with its log, place and hash', async () => {
    const report = await sampleReport(40);
    const html = await textOf(report);
    for await (const row of report.rowsOf(0, report.rows)) {
      expect(html).toContain(`${row.log} #${row.leaf_index}<`);
      expect(html).toContain(row.checksum.replace('sha256:', ''));
    }
    expect(report.rows).toBe(44);
  });

  test('what a report does not show is said and counted', async () => {
    const report = await sampleReport(12, { untimed: true });
    const { logs } = report.statement;
    const withheld = {
      ...report,
      statement: { ...report.statement, logs: logs.map((log) => ({ ...log, withheld: 7, erased: 2 })) },
    };
    const html = await textOf(withheld);
    expect(html).toContain('1 step says no time and stands in no row above: data/trace.json has it.');
    expect(html).toContain('Records: 20 are in the bundle whole, 21 as a bare hash (withheld).');
    expect(html).toContain('Contents: 0 are disclosed, 20 are kept back, 6 were erased.');
    expect(html).toContain('Redaction: of 1 record values were removed');
    expect(html).toContain('No content is disclosed in this bundle');
  });

  test('nothing that a producer sends becomes an element, an attribute or an address', async () => {
    const report = await sampleReport(30, { contentOf: hostileContent, untimed: true });
    const honest = await textOf(await sampleReport(30, { untimed: true }));
    const html = await textOf(report);
    const known = new Set(tagsOf(honest));
    const added = new Set(tagsOf(html).filter((tag) => !known.has(tag)));
    expect([...added].sort()).toEqual(['<span class="rest">', '<span class="u">']);
    expect(html).toContain(
      `content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"`,
    );
    expect(
      tagsOf(html).filter((tag) => /^<(script|a|img|form|iframe|object|embed|link|svg|base)\b/i.test(tag)),
    ).toEqual([]);
    expect(tagsOf(html).filter((tag) => /\s(on\w+|href|src|action)\s*=/i.test(tag))).toEqual([]);
    expect(html.slice(html.indexOf('<style>'), html.indexOf('</style>'))).not.toMatch(/url\(|@import|@font-face/);
  });

  test('no hidden character reaches the page: each stands there by its number', async () => {
    const report = await sampleReport(60, { contentOf: hostileContent });
    const html = await textOf(report);
    // oxlint-disable-next-line no-control-regex -- they are what is looked for
    expect(html).not.toMatch(
      /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/u,
    );
    for (const code of ['U+202E', 'U+2066', 'U+0000', 'U+001B', 'U+200B', 'U+FEFF', 'U+E0041', 'U+D800', 'U+200D'])
      expect(html, code).toContain(`<span class="u">${code}</span>`);
    expect(html).toContain('合同终止通知');
    expect(html).toContain('👩\u200d⚖️');
    expect(html).toContain('… (65,336 more characters in the records)');
  });

  test('the pieces of a text, put together again, are the text', () => {
    for (const text of HOSTILE) {
      const pieces = piecesOf(text, 100_000);
      const whole = pieces.map((piece) =>
        piece.kind === 'plain'
          ? piece.text
          : piece.kind === 'code'
            ? String.fromCodePoint(Number.parseInt(piece.text.slice(2), 16))
            : '?',
      );
      expect(whole.join('')).toBe(text);
    }
    expect(codeOf('\n')).toBe('U+000A');
    expect(piecesOf('ab👍', 3)).toEqual([
      { kind: 'plain', text: 'ab' },
      { kind: 'rest', count: 2 },
    ]);
  });

  test('the same records give the same page, on any machine and Node', async () => {
    const page = await textOf(await sampleReport(25, { contentOf: hostileContent }));
    // The digest is part of the test: whatever runs it has to come to it.
    expect(createHash('sha256').update(page).digest('hex')).toMatchInlineSnapshot(
      `"46148351cfb49713f4fa942221d756a42fa0f610323386f8555804caeed92532"`,
    );
  });
});
