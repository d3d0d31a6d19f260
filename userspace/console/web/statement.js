// What is approved, shown whole: part by part where it is long, the values of its parameters included. Who has not
// had the end of the last part before their eyes has not been shown it.
import { h, fill, said, count } from './dom.js';

const PART = 6000; // characters
const LINES = 80;

// Where the part that begins at `from` ends: at a line's end if there is one, never inside a character.
function end(text, from) {
  let to = from;
  for (let n = 0; n < LINES && to < text.length; n++) {
    const line = text.indexOf('\n', to);
    const next = line < 0 ? text.length : line + 1;
    if (next - from > PART) break;
    to = next;
  }
  if (to > from) return to;
  to = Math.min(text.length, from + PART);
  return to < text.length && /[\udc00-\udfff]/.test(text[to]) ? to + 1 : to;
}

export function parts(text) {
  const list = [];
  for (let at = 0; at < text.length;) {
    const to = end(text, at);
    list.push(text.slice(at, to));
    at = to;
  }
  return list.length ? list : [''];
}

// What a parameter's value says, and what stands beside its number: its type, and how it is written if not as text.
const value = (p) => p.text ?? p.hex ?? p.b64 ?? '';
const form = (p) => [p.type, p.text !== undefined ? '' : p.hex !== undefined ? 'in hex' : 'no UTF-8, in base64'].filter(Boolean).join(', ');

export const textOf = (b) => b?.text ?? (b?.text_b64 !== undefined ? `${b.text_b64} (base64: it is no valid UTF-8)` : null);

// Each makes one part's element.
function makers(b) {
  const text = textOf(b);
  const list = text === null ? [] : parts(text).map((p) => () => said(p, 'pre'));
  (b?.params ?? []).forEach((p, i) => {
    const name = h('div', {}, h('b.mono', {}, `$${i + 1}`), p && form(p) && h('div.dim.small', {}, form(p)));
    if (p === null) list.push(() => h('div.param', {}, name, h('span.dim', {}, 'NULL')));
    else parts(value(p)).forEach((s, n) => list.push(() => h('div.param', {}, n ? h('span') : name, said(s, 'pre'))));
  });
  const behind = b?.behind ?? b?.behind_b64;
  if (behind !== undefined) parts(behind).forEach((p, n) => list.push(() => h('div', {}, n === 0 && h('div.dim.small', {}, 'which runs, prepared before'), said(p, 'pre'))));
  (b?.settings ?? []).forEach((s, n) => list.push(() => h('div', {}, n === 0 && h('div.dim.small', {}, 'with settings that the session has changed'),
    said(`${s.name ?? s.name_b64} = ${s.value ?? s.value_b64}`, 'pre'))));
  if (b?.reads_data) list.push(() => h('div.note.warn', { id: 'data' }, 'The rows that the client sends behind COPY FROM STDIN are not shown, and are not part of what is approved.'));
  return list;
}

// Small parts go together: a dozen numbers are no dozen pages.
function pages(list) {
  const all = [];
  let room = 0;
  for (const make of list) {
    const node = make();
    const cost = 200 + node.textContent.length;
    if (room < cost) {
      all.push([]);
      room = PART + 400;
    }
    all.at(-1).push(node);
    room -= cost;
  }
  return all;
}

// { node, isShown(), progress(), onShown }: onShown is called once the end of the last part was in view.
export function statement(r) {
  const b = r.body ?? {};
  const all = pages(makers(b));
  const text = textOf(b) ?? '';
  const lines = text.split('\n').length;
  const box = h('div.parts'), foot = h('div.bar');
  const mark = h('span.mark', { 'aria-hidden': 'true' });
  let n = 0, shown = false;
  const view = { onShown: null, isShown: () => shown, progress: () => (all.length > 1 ? `part ${n} of ${all.length}` : '') };
  const eye = new IntersectionObserver((seen) => {
    if (shown || n < all.length || !seen.some((e) => e.isIntersecting)) return;
    shown = true;
    eye.disconnect();
    view.onShown?.();
  }, { rootMargin: '0px 0px -76px 0px' }); // what the bar with the buttons covers is not seen
  const more = () => {
    box.append(...(all[n] ?? []));
    n++;
    fill(foot, n < all.length && h('button', { id: 'more', onclick: more }, `Show part ${n + 1} of ${all.length}`),
      h('span.dim.small', {}, `${count(text.length)} characters, ${count(lines)} ${lines === 1 ? 'line' : 'lines'}`,
        b.params?.length > 0 && `, ${count(b.params.length)} ${b.params.length === 1 ? 'parameter' : 'parameters'}`,
        all.length > 1 && ` · ${Math.min(n, all.length)} of ${all.length} parts shown`));
    eye.unobserve(mark);
    eye.observe(mark);
    view.onPart?.();
  };
  more();
  view.node = h('div.card', {}, h('h2', {}, r.kind === 'role' ? 'What is asked for, the agent’s words included' : 'The statement, whole'), box, mark, foot);
  view.leave = () => eye.disconnect();
  return view;
}
