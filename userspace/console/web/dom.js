// Making elements. Text becomes a text node and nothing else: there is no way from bytes to markup here.

// What would move, hide or turn text around is shown by its name: controls, joiners, direction marks, and blanks that
// look like none. Tabs and line ends stay where text is shown whole.
const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb]|[\ud800-\udfff]|\udb40[\udc00-\udfff]/gu;

export function h(name, attrs, ...children) {
  const at = name.split('.');
  const e = document.createElement(at[0]);
  if (at.length > 1) e.className = at.slice(1).join(' ');
  for (const [key, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) e.addEventListener(key.slice(2), value);
    else if (key in e && key !== 'list') e[key] = value;
    else e.setAttribute(key, value === true ? '' : value);
  }
  add(e, children);
  return e;
}

function add(e, children) {
  for (const c of children.flat(9)) {
    if (c === undefined || c === null || c === false) continue;
    e.append(c instanceof Node ? c : document.createTextNode(String(c)));
  }
}

export function fill(e, ...children) {
  e.replaceChildren();
  add(e, children);
  return e;
}

// Bytes that a session chose, inert.
export function said(text, tag = 'span') {
  const e = h(`${tag}.said`, { dir: 'ltr' });
  let last = 0;
  const s = String(text ?? '');
  for (const m of s.matchAll(ODD)) {
    if (m.index > last) e.append(s.slice(last, m.index));
    const code = m[0].codePointAt(0).toString(16).toUpperCase().padStart(4, '0');
    e.append(h('span.ctl', { title: `U+${code}` }, `U+${code}`));
    if (m[0] === '\r' && s[m.index + 1] !== '\n') e.append('\n'); // to the server it ends a line, and a comment
    last = m.index + m[0].length;
  }
  e.append(s.slice(last));
  return e;
}

const KINDS = { allow: 'ok', deny: 'bad', ask: 'warn', mask: 'mask', live: 'ok', revoked: 'bad', expired: 'warn', pending: 'warn', approved: 'ok',
  running: 'ok', done: 'ok', denied: 'bad', withdrawn: '' };
export const tag = (word, kind = KINDS[word] ?? '') => h(`span.tag${kind && '.' + kind}`, {}, said(word));

export const pairs = (...rows) => h('dl', {}, rows.filter(Boolean).map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]));

export const table = (heads, rows, attrs = {}) =>
  h('table', attrs, h('thead', {}, h('tr', {}, heads.map((t) => (t instanceof Node ? t : h('th', { scope: 'col' }, t))))), h('tbody', {}, rows));

const two = (n) => String(n).padStart(2, '0');
export function clock(ms) {
  const d = new Date(ms);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
export function day(ms) {
  const d = new Date(ms);
  const same = d.toDateString() === new Date().toDateString();
  return same ? clock(ms) : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(ms)}`;
}
export function span(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const s = Math.floor(ms / 1000);
  const both = (a, unit, b, small) => (b ? `${a} ${unit} ${b} ${small}` : `${a} ${unit}`);
  if (s < 60) return `${s} s`;
  if (s < 3600) return both(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86400) return both(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
  return both(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h');
}
export const ns = (n) => Number(n ?? 0) / 1e6;
export const count = (n) => Number(n ?? 0).toLocaleString('en');
