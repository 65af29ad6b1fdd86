import { printable } from './printable.js';
import { rulesOf } from './bundle/kinds.js';
import { sentenceOf, type Verification } from './verify.js';

/**
 * What was found, as one page for people: no script, link, image or address in it, and nothing of the bundle that is not printable ASCII. `name`: of the file
 * that was looked at, as whoever looked called it.
 */
export function verificationPage(name: string, found: Verification): string {
  const { verdict, findings, unlisted, statement, logs, notEvidence, attested } = found;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>${text(verdict)}: ${text(name)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Check of ${text(name)}</h1>
<p class="verdict ${verdict.toLowerCase()}">${text(sentenceOf(found))}</p>
<h2>What it is about</h2>
${statement === null ? '<p>It could not be read.</p>' : about(found)}
<h2>Findings</h2>
${
  findings.length === 0
    ? '<p>None.</p>'
    : table(
        'What is not as it must be',
        ['Code', 'File', 'Expected', 'Found'],
        findings.map((one) => [one.code, one.entry ?? 'the bundle', one.expected, one.found]),
      )
}
${unlisted === 0 ? '' : `<p>And ${unlisted} more.</p>`}
<h2>Logs</h2>
${
  logs.length === 0
    ? '<p>None could be looked at.</p>'
    : table(
        'Which records are proven, and by whose signature',
        ['Log', 'Records', 'Bare hashes', 'Size', 'Signed by'],
        logs.map((log) => [
          log.origin,
          `${log.shown}`,
          `${log.withheld}`,
          `${log.size}`,
          log.signedBy ?? 'no key that was given',
        ]),
      )
}
<h2>What says nothing</h2>
<p>${notEvidence.length === 0 ? 'Every file was checked.' : `These files are for reading: ${notEvidence.map(text).join(', ')}.`}</p>
${
  statement === null
    ? ''
    : rulesOf(statement)
        .unproven(statement)
        .map((line) => `<p>${text(line)}</p>`)
        .join('')
}
<p>${attested === null ? 'The bundle has no sound attestation: who asked for it, and when, is not shown.' : `It was made and handed out as ${text(attested)}.`}</p>
<p>This page says what the verifier found; it is no evidence by itself. Whoever doubts it runs the verifier on the bundle.</p>
</main>
</body>
</html>
`;
}

function about({ statement }: Verification): string {
  if (statement === null) return '';
  const { scope, disclosure, format } = statement;
  const rows = [
    ...rulesOf(statement).facts(statement),
    ['Tenant', scope.tenant_id],
    ['Format', format],
    ['Contents disclosed', disclosure],
  ] as const;
  return `<dl>${rows.map(([term, value]) => `<dt>${term}</dt><dd>${text(value)}</dd>`).join('')}</dl>`;
}

function table(caption: string, heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const head = heads.map((one) => `<th scope="col">${one}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${text(cell)}</td>`).join('')}</tr>`).join('\n');
  return `<table><caption>${caption}</caption><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text that an attacker may have chosen. */
function text(value: string): string {
  return printable(value).replace(/[&<>"']/g, (one) => ENTITIES[one] as string);
}

/** Contrast is AA in light and dark; no font, image or address from anywhere. */
const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#d0d7de;--band:#f4f6f8;--good:#14532d;--bad:#8b1a1a;--open:#7a4b00}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#12161b;--line:#3b434d;--band:#1d232b;--good:#8fd6a8;--bad:#ff9b9b;--open:#f0c06a}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI","DejaVu Sans",Arial,sans-serif}
main{max-width:1040px;margin:0 auto;padding:36px 24px}
h1{font-size:24px;overflow-wrap:anywhere}h2{font-size:18px;margin-top:32px;border-bottom:1px solid var(--line)}
.verdict{border-left:5px solid currentColor;background:var(--band);padding:12px 16px;font-weight:600}
.verified{color:var(--good)}.contradicted{color:var(--bad)}.unpinned{color:var(--open)}
dl{display:grid;grid-template-columns:190px 1fr;gap:4px 12px}dd{margin:0;overflow-wrap:anywhere}
table{width:100%;border-collapse:collapse;table-layout:fixed;font-size:13px}caption{text-align:left;padding:6px 0}
th,td{text-align:left;vertical-align:top;border-bottom:1px solid var(--line);padding:6px 8px;overflow-wrap:anywhere}th{background:var(--band)}
tr{break-inside:avoid}thead{display:table-header-group}
@page{size:A4;margin:16mm}@media print{main{padding:0;max-width:none}}
`;
