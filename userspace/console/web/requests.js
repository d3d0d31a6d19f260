// What waits for a person: the inbox, and one page for each, that a phone shows whole.
import { h, fill, said, tag, pairs, day, span, ns, count, table } from './dom.js';
import { get, post, state, may } from './api.js';
import { say, login } from './app.js';

const fetchAll = (all) => get('/v1/requests', { all: all ? 1 : '' }).then((a) => a.requests);
const isOpen = (r) => r.state === 'pending';
const left = (r) => r.deadline * 1000 - Date.now();
const words = (r) => (r.state === 'ended' ? r.end : r.state);

// The number beside the page's name.
export async function mark() {
  const box = document.getElementById('waiting');
  if (!box) return;
  const n = await fetchAll().then((l) => l.filter(isOpen).length, () => 0);
  box.textContent = n;
  box.hidden = n === 0;
  document.title = document.title.replace(/^(\(\d+\) )?/, n ? `(${n}) ` : '');
}

function missing(r) {
  return (r.need ?? []).map((stage) => stage.map((g) => `${g.need - g.missing} of ${g.need} ${g.group}`).join(' and ')).join(', or ');
}

function remains(r) {
  const box = h('span.time', { 'data-until': r.deadline });
  const tick = () => { box.textContent = left(r) > 0 ? span(Math.ceil(left(r) / 1000) * 1000) : 'over'; };
  tick();
  box.tick = tick;
  return box;
}

const what = (r) => (r.kind === 'role' ? `role ${r.gives}` : r.first || r.tag || r.class);

function row(r) {
  return h(`a.req${isOpen(r) ? '' : '.done'}${r.break_glass ? '.glass' : ''}`, { href: `/requests/${r.request}`, 'data-go': true },
    h('div.what', {}, r.break_glass && [tag('break-glass', 'bad'), ' '], said(what(r))),
    h('div.side', {}, isOpen(r) ? ['waits ', remains(r)] : tag(words(r)), h('div.dim.small', {}, isOpen(r) ? missing(r) : day(r.asked * 1000))),
    h('div.dim.small', {}, said(r.subject), r.owner && [' for ', said(r.owner)], r.resource && [' on ', said(r.resource)], ' · ', said(r.rule)));
}

function ticking(root) {
  const timer = setInterval(() => root.querySelectorAll('[data-until]').forEach((e) => e.tick()), 1000);
  return () => clearInterval(timer);
}

export async function inbox(root) {
  let all = false;
  const list = h('div.inbox');
  const draw = async () => {
    const found = await fetchAll(all);
    found.sort((a, b) => isOpen(b) - isOpen(a) || (isOpen(a) ? a.deadline - b.deadline : b.asked - a.asked));
    fill(list, found.length ? found.slice(0, 500).map(row) : h('div.card.empty', {}, 'Nothing waits for you. This page says so when that changes.'),
      found.length > 500 && h('p.dim', {}, `and ${count(found.length - 500)} more`));
  };
  fill(root, h('div.head', {}, h('h1', {}, 'Requests'), h('span.grow'), h('label.check', {}, h('input', { type: 'checkbox',
    onchange: (e) => { all = e.target.checked; draw(); } }), 'those that ended, too')), list);
  await draw();
  const stop = ticking(root);
  return { changed: (t) => { if (t === 'requests' || t === 'hello') draw(); }, leave: stop };
}

// --- one request ---

function body(r) {
  const b = r.body ?? {};
  const text = b.text ?? (b.text_b64 !== undefined ? atob(b.text_b64) : null);
  const lines = text === null ? 0 : text.split('\n').length;
  return [
    text !== null && h('div.card', {}, h('h2', {}, r.kind === 'role' ? 'What is asked for, the agent’s words included' : 'The statement, whole'), said(text, 'pre'),
      h('p.dim.small', {}, `${count(text.length)} characters, ${count(lines)} ${lines === 1 ? 'line' : 'lines'}`, b.text_b64 !== undefined && ' · no valid UTF-8'),
      b.params?.length > 0 && [h('h2', {}, 'Its parameters'), h('div.scroll', {}, table(['', 'value'], b.params.map((p, i) =>
        h('tr', {}, h('td.mono', {}, `$${i + 1}`), h('td.mono', {}, p === null ? h('span.dim', {}, 'NULL') : said(p.b64 !== undefined ? `${p.b64} (base64)` : typeof p === 'string' ? p : JSON.stringify(p)))))))]),
    b.needs?.length > 0 && h('div.card', {}, h('h2', {}, 'What it would touch'), h('div.scroll', {}, table(['', 'on', ''], b.needs.map((n) =>
      h('tr', {}, h('td', {}, tag(n.verb)), h('td.mono', {}, said([n.schema, n.name].filter(Boolean).join('.'))), h('td.dim', {}, said(n.why ?? n.kind ?? ''))))))),
    b.estimate && h('div.card', {}, h('h2', {}, 'What the database expects'), said(typeof b.estimate === 'string' ? b.estimate : JSON.stringify(b.estimate, null, 1), 'pre')),
  ];
}

function facts(r) {
  const b = r.body ?? {};
  return h('div.card', {}, pairs(
    ['Who', [said(r.subject), h('div.dim.small', {}, said(r.issuer))]],
    ['For', r.owner ? said(r.owner) : h('span.dim', {}, 'nobody named')],
    r.kind === 'role' && ['Asks for', ['role ', said(r.gives), r.for > 0 && ` for ${span(r.for * 1000)}`]],
    ['As', r.role && said(r.role)],
    ['Node', said(r.node)],
    r.resource && ['Resource', said(r.resource)],
    b.database && ['Database', said(b.database)],
    b.in_transaction !== undefined && ['Transaction', b.in_transaction ? 'inside one that is open' : 'of its own'],
    ['Session', may('admin', 'auditor') ? h('a', { href: `/sessions/${r.session}`, 'data-go': true }, r.session) : r.session],
    ['Rule', [said(r.rule), r.description && h('div.dim.small', {}, said(r.description))]],
    ['Its own reason', r.reason ? h('div.note.warn', {}, said(r.reason), h('div.dim.small', {}, 'the agent’s words, not verified')) : h('span.dim', {}, 'none given')],
    ['Asked', day(r.asked * 1000)],
    r.joined > 1 && ['Sent', `${r.joined} times; it runs once`],
    ['Hash', h('code.said', {}, r.hash)]));
}

function votes(r) {
  return h('div.card', {}, h('h2', {}, 'Answers'), isOpen(r) && h('p', {}, missing(r) || 'nobody is asked'),
    r.votes?.length ? r.votes.map((v) => h('div.note' + (v.verdict === 'deny' ? '.bad' : ''), {}, tag(v.verdict === 'deny' ? 'deny' : 'approve', v.verdict === 'deny' ? 'bad' : 'ok'), ' ',
      said(v.subject), v.group && h('span.dim', {}, ' for ', said(v.group)), h('span.dim.small', {}, ` · ${day(v.at * 1000)}`, v.state !== 'counts' && ` · ${v.state}`),
      v.words && h('div', {}, said(v.words)))) : h('p.dim', {}, 'none yet'),
    r.outcome && h('p', {}, h('b', {}, said(r.outcome.text ?? '')), r.outcome.error && h('div.note.bad', {}, said(r.outcome.error))),
    r.state === 'ended' && r.end_reason && h('p.dim', {}, said(r.end_reason)));
}

function booth(r, redraw) {
  if (!isOpen(r) || !may('approver')) return null;
  const box = h('div.vote');
  const cast = async (verdict, words, choice) => {
    box.querySelectorAll('button').forEach((b) => { b.disabled = true; });
    try {
      await post(`/v1/requests/${r.request}/vote`, { verdict, hash: r.hash, words, ...(choice ? { choice } : {}) });
      say(verdict === 'deny' ? 'Denied. The agent reads your words.' : 'Your approval is on record.');
      await redraw();
    } catch (e) {
      const old = /log ?in|fresh/i.test(e.message);
      fill(box, h('p', {}, e.message), h('div.bar', {}, old ? h('button.main', { onclick: () => login(true) }, 'Log in again to vote') : h('button', { onclick: redraw }, 'Back')));
    }
  };
  const ask = () => {
    const words = h('textarea', { placeholder: 'Why not? The agent reads this.', maxLength: 390, 'aria-label': 'Reason' });
    const send = () => (words.value.trim() ? cast('deny', words.value.trim()) : words.focus());
    fill(box, words, h('div.bar', {}, h('button.bad', { onclick: send }, 'Deny'), h('button', { onclick: draw }, 'Back')));
    words.focus();
  };
  const NAMES = { once: 'Approve once', text: 'This text', pattern: 'This pattern', role: 'Give the role' };
  const draw = () => fill(box, h('div.bar', {},
    (r.choices?.length ? r.choices : ['once']).map((c, i) => h(i ? 'button' : 'button.main', { onclick: () => cast('approve', '', c), id: i ? '' : 'approve' },
      NAMES[c] ?? c, (c === 'text' || c === 'pattern') && r.grant_for > 0 && ` for ${span(r.grant_for * 1000)}`)),
    h('button.bad', { onclick: ask, id: 'deny' }, 'Deny…'), h('span.grow'),
    h('span.dim.small', {}, 'You approve exactly what is shown: hash ', h('code', {}, r.hash.slice(0, 12)))));
  draw();
  return box;
}

export async function one(root, id) {
  let shown = '';
  const draw = async (force) => {
    const r = await get(`/v1/requests/${encodeURIComponent(id)}`);
    const now = JSON.stringify([r.state, r.votes, r.outcome, r.need]);
    if (now === shown && !force) return;
    if (!force && root.querySelector('textarea')?.value) return; // somebody writes
    shown = now;
    fill(root, h('div.head', {}, h('a', { href: '/requests', 'data-go': true }, '‹ Requests'), h('h1', {}, said(r.tag || what(r))), tag(words(r)), r.break_glass && tag('break-glass', 'bad'),
      h('span.grow'), isOpen(r) && h('span', {}, 'over in ', remains(r), h('span.dim', {}, ` · ${day(r.deadline * 1000)}`))),
      h('div.two', {}, h('div', {}, body(r)), h('div', {}, facts(r), votes(r))), booth(r, () => draw(true)));
  };
  await draw(true);
  const stop = ticking(root);
  return { changed: (t) => { if (t === 'requests' || t === 'hello') draw(false).catch(() => {}); }, leave: stop,
    key: (k) => (k === 'd' ? (root.querySelector('#deny')?.click(), true) : false) };
}
