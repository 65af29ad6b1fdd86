/** How the report looks, on screens and on A4. Contrast is AA in light and dark; no font, image or address from anywhere. */
export const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--band:#f4f6f8;--paper:#fff;--accent:#1f4e79;--note:#fff8e6;--noteline:#b7791f;--code:#8a3b00}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a6b0bb;--line:#3b434d;--band:#1d232b;--paper:#12161b;--accent:#8fbbe8;--note:#2a2413;--noteline:#d9a441;--code:#f0b072}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 "Segoe UI",system-ui,-apple-system,"Noto Sans","DejaVu Sans",Arial,sans-serif}
main{max-width:1120px;margin:0 auto;padding:40px 28px 72px}
header{border-bottom:3px solid var(--accent);padding-bottom:14px;margin-bottom:22px}
h1{font-size:27px;line-height:1.25;margin:0 0 6px;font-weight:650}
h2{font-size:19px;margin:40px 0 10px;padding-bottom:5px;border-bottom:1px solid var(--line);color:var(--accent);font-weight:650;break-after:avoid}
h3{font-size:15px;margin:24px 0 6px;break-after:avoid}
p,li{max-width:78ch}
header p{margin:0;color:var(--soft);overflow-wrap:anywhere}
.notice{background:var(--note);border-left:4px solid var(--noteline);padding:10px 14px;max-width:none;margin:16px 0;break-inside:avoid}
dl{display:grid;grid-template-columns:minmax(120px,190px) 1fr;margin:8px 0;border-top:1px solid var(--line)}
dt,dd{margin:0;padding:5px 10px 5px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere;min-width:0}
dt{color:var(--soft)}
table{width:100%;border-collapse:collapse;table-layout:fixed;font-size:13px;line-height:1.4;margin:12px 0 18px}
caption{text-align:left;font-weight:650;padding:6px 0;break-after:avoid}
thead{display:table-header-group;break-after:avoid}
tbody:first-of-type tr:first-child{break-before:avoid}
th{text-align:left;background:var(--band);border-bottom:2px solid var(--line);padding:6px 8px;vertical-align:bottom}
td{border-bottom:1px solid var(--line);padding:6px 8px;vertical-align:top;overflow-wrap:anywhere}
tr{break-inside:avoid}
td div{unicode-bidi:isolate}
.label{color:var(--soft)}
.mono,pre{font-family:ui-monospace,"Cascadia Mono","DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.87em}
.mono{word-break:break-all}
pre{background:var(--band);border:1px solid var(--line);padding:10px 12px;white-space:pre-wrap;overflow-wrap:anywhere;margin:10px 0;break-inside:avoid}
.u{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.82em;color:var(--code);border:1px solid currentColor;border-radius:3px;padding:0 3px;margin:0 1px;white-space:nowrap;unicode-bidi:isolate;direction:ltr}
.rest{color:var(--code);font-style:italic}
.left td{background:var(--note);text-align:center;font-style:italic}
.none{color:var(--soft)}
@media (max-width:760px){main{padding:20px 12px}.wide{overflow-x:auto}.wide table{min-width:720px}dl{grid-template-columns:110px 1fr}}
@page{size:A4;margin:16mm 13mm 17mm;@bottom-right{content:counter(page) " / " counter(pages);font:9px sans-serif;color:#57606a}@bottom-left{content:"For reading; the records are the evidence";font:9px sans-serif;color:#57606a}}
@media print{:root{color-scheme:light;--ink:#111;--soft:#4a525b;--line:#c4cad1;--band:#f1f3f5;--paper:#fff;--accent:#1f4e79;--note:#fff8e6;--noteline:#b7791f;--code:#8a3b00}
body{font-size:10pt;line-height:1.4}main{max-width:none;padding:0}h1{font-size:18pt}h2{font-size:13pt;margin-top:20pt}table{font-size:7.6pt;line-height:1.3}td,th{padding:2.5pt 4pt}dt,dd{padding:2.5pt 8pt 2.5pt 0}.wide{overflow:visible}.wide table{min-width:0}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
`;
