import { createHash } from 'node:crypto';
import { Markup } from '../platform/http/markup.js';

/** Text and buttons have at least the contrast that WCAG 2.2 asks for (4.5:1), on both grounds. */
const CSS = `
:root{color-scheme:light dark;--ground:#f5f5f3;--card:#fff;--ink:#191918;--soft:#5f5e5a;--rule:#deddd7;--field:#fff;--edge:#8b8984;
--accent:#1f62b8;--on-accent:#fff;--danger:#b3261e;--on-danger:#fff;--warn-ground:#fdf3dc;--warn-rule:#e0b75a;--good:#1c7a4d;--code:#f7f7f5}
@media (prefers-color-scheme:dark){:root{--ground:#141413;--card:#1f1f1d;--ink:#f1f0ec;--soft:#aeaca4;--rule:#393833;--field:#161615;--edge:#7b7972;
--accent:#7db2f5;--on-accent:#0c1a2b;--danger:#f4958e;--on-danger:#2b0d0b;--warn-ground:#33290f;--warn-rule:#8a6d24;--good:#6fcf9f;--code:#191918}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:720px;margin:0 auto;padding:28px 16px 56px}
h1{font-size:26px;line-height:1.25;margin:4px 0 0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:14px;line-height:1.4;margin:0 0 10px;color:var(--soft);font-weight:600}
p{margin:0}
a{color:var(--accent)}
.soft{color:var(--soft)}
.small{font-size:14px}
.house{font-size:14px;color:var(--soft);overflow-wrap:anywhere}
header{margin-bottom:18px}
.card,.notice{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:18px 20px;margin:0 0 14px}
.notice{background:var(--warn-ground);border-color:var(--warn-rule)}
.notice p+p,.notice ul,.card p+p{margin-top:8px}
.notice ul{padding-left:20px;margin-bottom:0}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:14px 0 0;font-size:15px}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
.text{white-space:pre-wrap;overflow-wrap:anywhere}
.json{font:14px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;background:var(--code);border:1px solid var(--rule);border-radius:8px;padding:8px 12px}
.content{margin:0}
.content>div+div{margin-top:14px}
.content dt{font-size:14px;color:var(--soft);overflow-wrap:anywhere}
.content dd{margin:2px 0 0}
details{margin-top:8px}
summary{cursor:pointer;color:var(--accent);font-size:15px;padding:4px 0}
label{display:block;font-weight:600;margin:16px 0 4px}
form>label:first-of-type{margin-top:0}
.hint{font-size:14px;color:var(--soft);margin:0 0 6px}
.wrong{font-size:14px;color:var(--danger);margin:0 0 6px;overflow-wrap:anywhere}
input,textarea{width:100%;font:inherit;color:inherit;background:var(--field);border:1px solid var(--edge);border-radius:8px;padding:9px 12px}
textarea{min-height:84px;resize:vertical;display:block}
textarea.long{min-height:260px}
textarea.code{font:14px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,"Liberation Mono",monospace}
[aria-invalid]{border-color:var(--danger);border-width:2px}
.actions{display:flex;flex-wrap:wrap;gap:10px;margin-top:20px}
button{font:inherit;font-weight:600;min-height:46px;padding:9px 20px;border-radius:9px;border:1px solid var(--edge);background:transparent;color:var(--ink);cursor:pointer;overflow-wrap:anywhere}
button:hover{border-color:var(--ink)}
button.go{background:var(--accent);border-color:var(--accent);color:var(--on-accent)}
button.back{border-color:var(--danger);color:var(--danger)}
button.back:hover{background:var(--danger);color:var(--on-danger)}
button.go:hover{filter:brightness(1.08)}
.edit{border-top:1px solid var(--rule);margin-top:20px;padding-top:12px}
.edit button{margin-top:14px}
.actions~.hint:not(.edit){margin:14px 0 0}
.done{color:var(--good);font-weight:600}
footer{font-size:14px;color:var(--soft);margin-top:18px}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
@media (max-width:480px){.actions button,.edit button{width:100%}.facts{grid-template-columns:1fr;gap:0}.facts dd{margin-bottom:8px}}
@media print{body{background:none}form{display:none}}
`;

export const STYLE = Markup.trusted(`<style>${CSS}</style>`);

/** Nothing is loaded, run or framed; the one style sheet is known by its hash; the form goes nowhere else. */
export const DECISION_PAGE_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(CSS).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');
