// What waits for a person: the inbox, and one page for each, that a phone shows whole.
import { h, fill, said, tag, pairs, day, span, ns, count, table } from './dom.js';
import { get, post, state, may } from './api.js';
import { say, login } from './app.js';
import { statement } from './statement.js';
import { changes } from './changes.js';

const fetchAll = (all) => get('/v1/requests', { all: all ? 1 : '' }).then((a) => a.requests);
const isOpen = (r) => r.state === 'pending';
const left = (r) => r.deadline * 1000 - Date.now();
const words = (r) => (r.state === 'ended' ? r.end : r.state);
// Whoever sent it has gone: it can be approved all the same, and runs when it is sent again.
const isLeft = (r) => isOpen(r) && r.kind === 'operation' && r.waiting === 0;

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
    h('div.side', {}, isLeft(r) ? ['nobody waits · ', remains(r)] : isOpen(r) ? ['waits ', remains(r)] : tag(words(r)), h('div.dim.small', {}, isOpen(r) ? missing(r) : day(r.asked * 1000))),
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

const WRITES = new Set(['insert', 'update', 'delete']);
const EDGE = 160; // characters around what changed

function middle(text, isFirst, isLast) {
  if (text.length <= 2 * EDGE + 40) return text;
  return `${isFirst ? '' : text.slice(0, EDGE)} … ${isLast ? '' : text.slice(-EDGE)}`;
}

// Against what was approved last of the same identity by the same rule.
function against(r) {
  const before = r.before?.text, text = r.body?.text;
  if (typeof before !== 'string' || typeof text !== 'string') return null;
  const link = h('a', { href: `/requests/${r.before.request}`, 'data-go': true }, r.before.request);
  if (before === text) return h('div.card', { id: 'before' }, h('h2', {}, 'Against what was approved last'), h('p', {}, 'The same text as in ', link, ', word for word.'));
  const runs = changes(before, text);
  return h('div.card', { id: 'before' }, h('h2', {}, 'Against what was approved last'),
    runs ? h('pre.said', {}, runs.map((c, i) => (c.kind === 'same' ? said(middle(c.text, i === 0, i === runs.length - 1)) : h(c.kind === 'new' ? 'ins' : 'del', {}, said(c.text)))))
      : h('p.dim', {}, 'Too much differs to be shown.'),
    h('p.dim.small', {}, 'Struck out: only in ', link, '. Underlined: only in this one.'));
}

// "estimate" is the policy's leave to ask the database; "estimated" is what it said. It is no part of what is approved.
function estimate(r) {
  const e = r.estimated;
  if (!r.estimate || (!e && !isOpen(r))) return null;
  const body = !e ? h('p.dim', {}, 'It is asked, and has not said yet.') : e.why !== undefined ? h('p.dim', {}, 'No estimate: ', said(e.why), '.') : [
    pairs([r.body?.needs?.some((n) => WRITES.has(n.verb)) ? 'Rows changed' : 'Rows', h('b', {}, count(e.rows))], ['Cost', count(e.cost)]),
    e.parts.length > 0 && h('div.scroll', {}, table(['How', 'On', h('th.n', { scope: 'col' }, 'Rows')], e.parts.map((p) => h('tr', {}, h('td', {}, said(p.how)), h('td.mono', {}, said(p.relation)), h('td.n', {}, count(p.rows)))), { className: 'lines', id: 'parts' })),
    e.more && h('p.dim.small', {}, 'and more.'),
    h('p.dim.small', {}, 'The planner’s guess from its statistics. Nothing was run.')];
  return h('div.card', { id: 'estimate' }, h('h2', {}, 'What the database expects'), body);
}

function touched(r) {
  const needs = r.body?.needs ?? [];
  return needs.length > 0 && h('div.card', {}, h('h2', {}, 'What it would touch'), h('div.scroll', {}, table(['Verb', 'On', ''], needs.map((n) =>
    h('tr', {}, h('td', {}, tag(n.verb)), h('td.mono', {}, said([n.schema, n.name].filter(Boolean).join('.'))), h('td.dim', {}, said(n.why ?? n.kind ?? '')))), { className: 'lines' })));
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
    ['Asked', [day(r.asked * 1000), isLeft(r) && h('div.note.warn', { id: 'left' }, 'Whoever sent it is gone. Approved, it runs when it is sent again, before ', day(r.deadline * 1000), '.')]],
    r.joined > 1 && ['Sent', `${r.joined} times; it runs once`],
    ['Hash', h('code.said', {}, r.hash)]));
}

function votes(r) {
  return h('div.card', {}, h('h2', {}, 'Answers'), isOpen(r) && h('p', {}, missing(r) || 'nobody is asked'),
    r.votes?.length ? r.votes.map((v) => h('div.note' + (v.verdict === 'deny' ? '.bad' : ''), {}, tag(v.verdict === 'deny' ? 'deny' : 'approve', v.verdict === 'deny' ? 'bad' : 'ok'), ' ',
      said(v.subject), v.group && h('span.dim', {}, ' for ', said(v.group)), h('span.dim.small', {}, ` · ${day(v.at * 1000)}`, v.state !== 'counts' && ` · ${v.state}`),
      v.words && h('div', {}, said(v.words)))) : h('p.dim', {}, 'none yet'),
    r.state === 'ended' && r.end_reason && !r.votes?.some((v) => v.words === r.end_reason) && h('p.dim', {}, said(r.end_reason)));
}

// What came of it: first of all for those who said yes.
function outcome(r) {
  if (!r.outcome) return r.state === 'approved' && h('div.card.outcome', {}, tag('approved'), ' It runs as soon as the agent sends it again: nobody waits now.');
  return h(`div.card.outcome${r.outcome.sqlstate ? '.failed' : ''}`, { id: 'outcome' }, said(r.outcome.text ?? ''));
}

const NAMES = { once: 'Approve once', text: 'This text', pattern: 'This pattern', role: 'Give the role' };

function booth(r, view, redraw) {
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
  const draw = () => fill(box, h('div.bar', {},
    (r.choices?.length ? r.choices : ['once']).map((c, i) => h(i ? 'button' : 'button.main', { onclick: () => cast('approve', '', c), id: i ? '' : 'approve', disabled: !view.isShown() },
      NAMES[c] ?? c, (c === 'text' || c === 'pattern') && r.grant_for > 0 && ` for ${span(r.grant_for * 1000)}`)),
    h('button.bad', { onclick: ask, id: 'deny' }, 'Deny…'), h('span.grow'),
    view.isShown() ? h('span.dim.small', {}, 'You approve exactly what is shown: hash ', h('code', {}, r.hash.slice(0, 12)))
      : h('span.small', { id: 'unread' }, 'Nobody approves unseen: read to the end', view.progress() && ` (${view.progress()})`)));
  view.onShown = view.onPart = () => { if (!box.querySelector('textarea, p')) draw(); };
  draw();
  return box;
}

export async function one(root, id) {
  let shown = '', view = null;
  const draw = async (force) => {
    const r = await get(`/v1/requests/${encodeURIComponent(id)}`);
    const now = JSON.stringify([r.state, r.votes, r.outcome, r.need, r.estimated, isLeft(r)]);
    if (now === shown && !force) return;
    if (!force && root.querySelector('textarea')?.value) return; // somebody writes
    shown = now;
    view ??= statement(r); // the hash binds it: what was read stays read
    fill(root, h('div.head', {}, h('a', { href: '/requests', 'data-go': true }, '‹ Requests'), h('h1', {}, said(r.tag || what(r))), tag(words(r)), r.break_glass && tag('break-glass', 'bad'),
      h('span.grow'), isOpen(r) && h('span', {}, 'over in ', remains(r), h('span.dim', {}, ` · ${day(r.deadline * 1000)}`))), outcome(r),
      h('div.two', {}, h('div', {}, view.node, against(r), touched(r), estimate(r)), h('div', {}, facts(r), votes(r))), booth(r, view, () => draw(true)));
  };
  await draw(true);
  const stop = ticking(root);
  return { changed: (t) => { if (t === 'requests' || t === 'hello') draw(false).catch(() => {}); }, leave: () => { stop(); view?.leave(); },
    key: (k) => (k === 'd' ? (root.querySelector('#deny')?.click(), true) : false) };
}
