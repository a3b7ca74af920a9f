import { createHash } from 'node:crypto';
import { Markup } from '../platform/http/markup.js';

/** The colours can be told apart with every common kind of colour blindness, on both grounds. */
const CSS = `
:root{color-scheme:light dark;--ground:#f5f5f3;--card:#fff;--ink:#191918;--soft:#5f5e5a;--rule:#e4e3de;--hover:#0000000a;
--approved:#2a78d6;--edited:#12a37f;--changes:#e0a100;--rejected:#d6453d;--custom:#6a4fc4;--expired:#8b8984;
--p50:#2a78d6;--p95:#d6453d;--edit-rate:#12a37f;--rejection-rate:#d6453d}
@media (prefers-color-scheme:dark){:root{--ground:#141413;--card:#1f1f1d;--ink:#f1f0ec;--soft:#a9a79f;--rule:#35342f;
--hover:#ffffff0d;--approved:#4a93e8;--edited:#27b892;--changes:#d99f1c;--rejected:#ec6a62;--custom:#9a86ee;--expired:#85837c;
--p50:#4a93e8;--p95:#ec6a62;--edit-rate:#27b892;--rejection-rate:#ec6a62}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 20px 48px}
h1{font-size:26px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:16px;margin:0}
h2 .note{font-weight:400}
p{margin:0}
.soft,.note{color:var(--soft)}
.note{font-size:13px}
header{margin-bottom:24px}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin:0 0 16px}
.tile,.card{background:var(--card);border:1px solid var(--rule);border-radius:10px}
.tile{padding:14px 16px}
.tile dt{font-size:13px;color:var(--soft)}
.tile dd{margin:0}
.tile .value{font-size:24px;font-weight:600;line-height:1.35;white-space:nowrap}
.card{padding:18px 20px;margin:0 0 16px}
.head{display:flex;flex-wrap:wrap;gap:4px 24px;align-items:baseline;justify-content:space-between;margin-bottom:10px}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;list-style:none;margin:0;padding:0;font-size:13px}
.legend li{display:flex;align-items:center;gap:7px}
.swatch{width:14px;height:10px;flex:none}
.scroll{overflow-x:auto}
.scroll svg{display:block;width:100%;min-width:640px;height:auto}
.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--approved);outline-offset:2px}
.grid{stroke:var(--rule)}
.base{stroke:var(--soft)}
.tick{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
.hit{fill:transparent}
.slot:hover .hit{fill:var(--hover)}
.fill{stroke:var(--card);stroke-width:1}
.dense .fill{stroke:none;shape-rendering:crispEdges}
.line{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
.dot{stroke:var(--card);stroke-width:1.5}
.fill.approved{fill:var(--approved)}.fill.edited{fill:var(--edited)}.fill.changes{fill:var(--changes)}
.fill.rejected{fill:var(--rejected)}.fill.custom{fill:var(--custom)}.fill.expired{fill:var(--expired)}
.line.p50,.line.edit-rate{fill:none}
.line.p50{stroke:var(--p50)}.line.p95{stroke:var(--p95);stroke-dasharray:7 5}
.line.edit-rate{stroke:var(--edit-rate)}.line.rejection-rate{stroke:var(--rejection-rate);stroke-dasharray:7 5}
.dot.p50{fill:var(--p50)}.dot.p95{fill:var(--p95)}
.dot.edit-rate{fill:var(--edit-rate)}.dot.rejection-rate{fill:var(--rejection-rate)}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:600;font-size:16px;padding-bottom:8px}
th,td{padding:7px 6px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}
thead th{color:var(--soft);font-weight:500;vertical-align:bottom;white-space:normal;line-height:1.3}
th:first-child{text-align:left;padding-left:0}
tbody th{font-weight:500}
tbody tr:last-child>*{border-bottom:0}
tbody th .note{display:block;font-weight:400}
.name{display:inline-block;max-width:165px;overflow:hidden;text-overflow:ellipsis;vertical-align:bottom}
summary{cursor:pointer;font-weight:600}
details .scroll{margin-top:12px}
.empty{padding:48px 0;text-align:center;color:var(--soft)}
@media (max-width:760px){.tiles{grid-template-columns:1fr 1fr}main{padding:20px 12px}.card{padding:14px}}
@media print{body{background:none}.card,.tile{break-inside:avoid}}
`;

export const STYLE = Markup.trusted(`<style>${CSS}</style>`);

/** Nothing is loaded, run, sent or framed; the one style sheet is known by its hash. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(CSS).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');
