import { createHash } from 'node:crypto';
import { readRunRecords } from '@sworn/evidence';
import { runSample } from '../../evidence/test/runSample.js';
import { type ContentOf, type Report, reportOf } from '../src/export/report/report.js';

/** The report of a made-up run. */
export async function sampleReport(
  steps = 12,
  { contentOf, untimed = false }: { readonly contentOf?: ContentOf; readonly untimed?: boolean } = {},
): Promise<Report> {
  const { runId, files, statement } = runSample(steps, { untimed });
  const run = await readRunRecords(runId, files);
  const said = contentOf === undefined ? {} : { contentOf };
  const logs = statement.logs.map(({ log, origin, size }) => {
    const root = createHash('sha256').update(`root ${log}`).digest();
    const note = `${origin}\n${size}\n${root.toString('base64')}\n\n— ${origin} ${root.toString('base64')}\n`;
    return {
      log,
      origin,
      size,
      root: root.toString('hex'),
      note,
      keyFingerprint: createHash('sha256').update('key').digest('hex'),
    };
  });
  const disclosed = contentOf === undefined ? statement : { ...statement, disclosure: 'all' as const };
  return reportOf({ statement: disclosed, run, files, logs, ...said });
}

/** What somebody would send who wants the report to act, to lie or to break. */
export const HOSTILE = [
  '<script>alert(1)</script><img src=x onerror=alert(1)>',
  '"><a href="javascript:alert(1)">https://evil.example/click</a> mailto:a@b.example',
  '=HYPERLINK("https://evil.example","open")',
  'invoice\u202Efdp.exe \u2066hidden\u2069 \u200Fmark',
  '\u0000NUL \u0007BEL \u001b[31mred \u0085NEL \u2028LS',
  'zero\u200Bwidth\uFEFF and \u{E0041}\u{E0042} tags, joined\u200Dletters',
  'אבג דהו 123 مرحبا بالعالم',
  '合同终止通知 契約 계약 สัญญา अनुबंध',
  '👩‍⚖️ 👍🏽 🇩🇪 ⚖ 𝔘𝔫𝔦',
  'Ж Ω ß ﬁ é e\u0301 Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324algo',
  'lone \uD800 half \uDC00',
  '</td></tr></table></main><style>*{display:none}</style>',
  ']]>--><!--',
  'A'.repeat(65_536),
] as const;

/** Every record has one of those for its name, and all of them for its content. */
export const hostileContent: ContentOf = async (_log, index) => ({
  name: HOSTILE[index % HOSTILE.length] as string,
  parts: [{ label: 'input', text: HOSTILE[(index + 5) % HOSTILE.length] as string }],
});
