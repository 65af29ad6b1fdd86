import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { reportPdf } from '../src/export/report/pdf.js';
import type { Report } from '../src/export/report/report.js';
import { hostileContent, sampleReport } from './reportSample.js';

const bytesOf = async (report: Report): Promise<Buffer> => {
  const pieces: Uint8Array[] = [];
  for await (const piece of reportPdf(report)) pieces.push(piece);
  return Buffer.concat(pieces);
};

/** The objects of a PDF without the bytes of their streams and without strings: what is left says what the file can do. */
function skeletonOf(pdf: Buffer): { readonly names: ReadonlySet<string>; readonly objects: number } {
  const text = pdf.toString('latin1');
  const names = new Set<string>();
  let objects = 0;
  const object = /\d+ 0 obj\n/g;
  for (let match = object.exec(text); match !== null; match = object.exec(text)) {
    const end = text.indexOf('endobj', object.lastIndex);
    const stream = text.indexOf('\nstream\n', object.lastIndex);
    const hasStream = stream !== -1 && stream < end;
    const head = text.slice(object.lastIndex, hasStream ? stream : end);
    for (const [name] of head.replaceAll(/\((?:\\[\s\S]|[^\\)])*\)/g, '()').matchAll(/\/[^\s/<>[\]()]*/g))
      names.add(name);
    objects++;
    if (!hasStream) continue;
    const length = Number(/\/Length (\d+)/.exec(head)?.[1]);
    object.lastIndex = stream + '\nstream\n'.length + length;
    expect(text.slice(object.lastIndex, object.lastIndex + 11)).toBe('\nendstream\n');
  }
  return { names, objects };
}

/** What poppler reads; skipped with a word where it is not installed. */
const missing =
  spawnSync('pdftotext', ['-v']).error === undefined ? null : 'pdftotext (Debian: poppler-utils) is not installed';

function textOf(pdf: Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'sworn-report-'));
  try {
    writeFileSync(join(folder, 'report.pdf'), pdf);
    const { status, stdout, stderr } = spawnSync('pdftotext', ['-layout', join(folder, 'report.pdf'), '-'], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('the report as a PDF', () => {
  let real: Buffer;
  let hostile: Buffer;
  beforeAll(async () => {
    real = await bytesOf(await sampleReport(40));
    hostile = await bytesOf(await sampleReport(60, { contentOf: hostileContent, untimed: true }));
  });

  test('it can do nothing: pages, text and faces, and no other object', () => {
    const { names, objects } = skeletonOf(hostile);
    expect(objects).toBeGreaterThan(30);
    const faces = /^\/[A-Z]{6}\+(DejaVuSans|DejaVuSans-Bold|DejaVuSansMono|UnifontMedium)$|^\/F\d+$/;
    expect([...names].filter((name) => !faces.test(name)).sort()).toMatchInlineSnapshot(`
      [
        "/Ascent",
        "/BaseFont",
        "/CIDFontType2",
        "/CIDSystemInfo",
        "/CIDToGIDMap",
        "/CapHeight",
        "/Catalog",
        "/ColorSpace",
        "/Contents",
        "/Count",
        "/CreationDate",
        "/Creator",
        "/DescendantFonts",
        "/Descent",
        "/Dests",
        "/DisplayDocTitle",
        "/Encoding",
        "/Flags",
        "/Font",
        "/FontBBox",
        "/FontDescriptor",
        "/FontFile2",
        "/FontName",
        "/Identity",
        "/Identity-H",
        "/ImageB",
        "/ImageC",
        "/ImageI",
        "/ItalicAngle",
        "/Kids",
        "/Lang",
        "/Length",
        "/MediaBox",
        "/Metadata",
        "/ModDate",
        "/Names",
        "/Ordering",
        "/PDF",
        "/Page",
        "/Pages",
        "/Parent",
        "/ProcSet",
        "/Producer",
        "/Registry",
        "/Resources",
        "/StemV",
        "/Subtype",
        "/Supplement",
        "/Text",
        "/Title",
        "/ToUnicode",
        "/Type",
        "/Type0",
        "/UserUnit",
        "/ViewerPreferences",
        "/W",
        "/XHeight",
        "/XML",
        "/length",
      ]
    `);
    expect(hostile.toString('latin1')).toMatch(/^%PDF-1\.7\n/);
  });

  test('the id of a run adds nothing to what describes the file', async () => {
    const report = await sampleReport(3);
    const named = { ...report, envelope: { ...report.envelope, run_id: '</rdf:li><x>&(\\)\u202E' } };
    const pdf = await bytesOf(named);
    expect(pdf.toString('latin1')).not.toContain('<x>&');
    expect(skeletonOf(pdf).names).not.toContain('/JS');
  });

  test('its faces are all embedded', () => {
    const text = real.toString('latin1');
    expect(text.match(/\/Type \/FontDescriptor/g)?.length).toBe(text.match(/\/FontFile2 /g)?.length);
    expect(text).not.toContain('Helvetica');
  });

  test('the same records give the same bytes, in any zone, on any machine and Node', async () => {
    const zone = process.env.TZ;
    try {
      process.env.TZ = 'Asia/Tokyo';
      expect(new Date(0).getHours()).toBe(9);
      expect((await bytesOf(await sampleReport(40))).equals(real)).toBe(true);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    // The digests are part of the test: whatever runs it has to come to them.
    expect(createHash('sha256').update(real).digest('hex')).toMatchInlineSnapshot(
      `"568ed69a8aae3e7d804694f17e9eee0b547b8da954b4b4d08a02694444adff55"`,
    );
    expect(createHash('sha256').update(hostile).digest('hex')).toMatchInlineSnapshot(
      `"92ec0adf0e256b7e3b314c8785e3252104df19a85a060e6ceb7de6230c81690b"`,
    );
  });

  test('of a long run it shows the beginning and the end, and says what it left out', async (context) => {
    context.skip(missing !== null, missing ?? '');
    const report = await sampleReport(2_100);
    const text = textOf(await bytesOf(report)).replaceAll(/\s+/g, ' ');
    expect(report.rows).toBe(2_104);
    expect(text).toContain(
      '104 rows stand here that this file does not show: they are in data/events.csv and data/report.html',
    );
    expect(text.match(/Step, no\. /g)?.length).toBe(1_996);
    expect(text).toContain('This file shows at most 2,000 rows of what happened');
  });

  test('what it says can be read by a program that nobody here wrote', (context) => {
    context.skip(missing !== null, missing ?? '');
    const text = textOf(real);
    for (const said of [
      'Report on a run of an AI system',
      'Governance decisions',
      'Chain of custody',
      'Integrity statement',
      'sworn verify bundle.zip --key FILE',
      'payments.refund',
      'refund-limit',
      '0.0513024 USD',
      'tok_2e6f1a0b9c8d7e6f5a4b3c2d1e0f9a8b',
    ])
      expect(text, said).toContain(said);
  });

  test('no character is dropped: what no face has, and what cannot be seen, stands there by its number', (context) => {
    context.skip(missing !== null, missing ?? '');
    const text = textOf(hostile);
    for (const code of [
      '[U+202E]',
      '[U+2066]',
      '[U+0000]',
      '[U+001B]',
      '[U+FEFF]',
      '[U+E0041]',
      '[U+D800]',
      '[U+1F469]',
    ])
      expect(text, code).toContain(code);
    expect(text).toContain('合同终止通知');
    expect(text).toContain('Ж Ω ß');
    expect(text).toContain('مرحبا');
    expect(text.replaceAll(/\s+/g, ' ')).toContain('(65,336 more characters in the records)');
  });
});
