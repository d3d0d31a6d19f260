// The record: sessions page by page, and what one did, step by step.
import { h, fill, said, tag, pairs, table, day, clock, span, ns, count } from './dom.js';
import { get, post, may } from './api.js';
import { say, go, failed } from './app.js';

const PAGE = 50;
const num = (n, kind) => h('td.n', {}, n ? (kind ? tag(count(n), kind) : count(n)) : h('span.dim', {}, '0'));
const isLive = (s) => !s.end;

function row(s) {
  const to = `/sessions/${s.session}`;
  return h('tr.go', { onclick: (e) => { if (!e.target.closest('a')) go(to); } },
    h('td.mono', {}, h('a', { href: to, 'data-go': true }, s.session)), h('td.clip', {}, said(s.identity), s.owner && h('span.dim', {}, ' for ', said(s.owner))),
    h('td.wide', {}, said(s.role)), h('td.clip.wide.mono', {}, said((s.command ?? []).map((c) => (typeof c === 'string' ? c : '…')).join(' '))),
    h('td', {}, h('span.time', {}, day(ns(s.start)))), h('td.wide', {}, isLive(s) ? tag('live') : h('span.dim', {}, span(ns(s.end - s.start)))),
    num(s.ops), num(s.denied, 'bad'), h('td.n.wide', {}, count(s.masked)));
}

export async function list(root) {
  const filter = { find: '', live: '', denied: '' };
  const trail = ['']; // the way back
  const rows = h('tbody');
  const place = h('span.dim.small');
  const back = h('button', { onclick: () => { trail.pop(); draw(); } }, 'Newer');
  const on = h('button', { onclick: () => { trail.push(next); draw(); } }, 'Older');
  let next = '', turn = 0;
  const draw = async () => {
    const mine = ++turn;
    const page = await get('/v1/sessions/newest', { ...filter, before: trail.at(-1), limit: PAGE });
    if (mine !== turn) return;
    next = page.next;
    fill(rows, page.sessions.length ? page.sessions.map(row) : h('tr', {}, h('td.empty', { colSpan: 9 }, 'No session fits.')));
    const from = (trail.length - 1) * PAGE;
    place.textContent = page.found ? `${count(from + 1)} to ${count(from + page.sessions.length)} of ${count(page.found)}` : '';
    back.disabled = trail.length < 2;
    on.disabled = !next;
  };
  const again = () => { trail.length = 1; draw(); };
  let wait;
  const search = h('input', { type: 'search', placeholder: 'identity, owner, role, command…', 'aria-label': 'Search',
    oninput: (e) => { filter.find = e.target.value.trim(); clearTimeout(wait); wait = setTimeout(again, 200); } });
  const only = (name, text) => h('label.check', {}, h('input', { type: 'checkbox', onchange: (e) => { filter[name] = e.target.checked ? 1 : ''; again(); } }), text);
  const th = (text, cls = '') => h(`th${cls}`, { scope: 'col' }, text);
  fill(root, h('div.head', {}, h('h1', {}, 'Sessions'), search, only('live', 'live'), only('denied', 'with refusals'), h('span.grow'), place, h('div.bar', {}, back, on)),
    h('div.card.tight', {}, h('table.fixed.lines', { id: 'sessions' }, h('colgroup', {}, h('col'), h('col'), h('col.wide'), h('col.wide'), h('col'), h('col.wide'), h('col'), h('col'), h('col.wide')),
      h('thead', {}, h('tr', {}, th('Session'), th('Identity'), th('Role', '.wide'), th('Command', '.wide'), th('Began'), th('Lasted', '.wide'), th('Ops', '.n'), th('Denied', '.n'), th('Masked', '.n.wide'))), rows)));
  await draw();
  return { changed: (t) => { if ((t === 'sessions' || t === 'hello') && trail.length === 1) draw().catch(() => {}); } };
}

// --- one session ---

const text = (e, key) => e[key] ?? (e[`${key}_b64`] !== undefined ? `${e[`${key}_b64`]} (base64)` : '');

function rowsOf(end) {
  if (!end?.result?.length) return null;
  const shown = end.result.slice(0, 50);
  return h('div.rows', {}, table((end.columns ?? []).map((c) => h('th', {}, said(c))), shown.map((r) => h('tr', {}, r.map((v) => h('td', {}, v === null ? h('span.dim', {}, 'NULL') : said(typeof v === 'object' ? v.b64 : v)))))),
    end.result.length > shown.length && h('p.dim.small', {}, `${count(end.result.length - shown.length)} more rows in the record`));
}

function step(e, began) {
  const at = ns(e.time);
  const line = (mark, body, end, soft) => h(`div.line${soft ? '.soft' : ''}`, { 'data-at': at }, h('div.t', { title: `event ${e._seq}` }, clock(at)), h('div', {}, mark), h('div.body', {}, body), h('div.end', {}, end));
  const plain = (word, ...body) => line(h('span.dim.small', {}, word), body, '', true);
  const since = `+${span(at - began)}`;
  switch (e.type) {
    case 'op': {
      const end = e.end;
      return line(tag(e.decision), [said(text(e, 'text'), 'pre'),
        e.params?.length > 0 && h('div.dim.small.mono', {}, e.params.map((p, i) => [i ? ', ' : '', `$${i + 1} = `, p === null ? 'NULL' : said(typeof p === 'object' ? p.b64 : p)])),
        (e.decision === 'deny' || e.decision === 'ask') && h('div.note.bad', {}, said(e.reason)),
        end?.error && h('div.note.bad', {}, end.sqlstate && h('code', {}, `${end.sqlstate} `), said(text(end, 'error'))), rowsOf(end)],
      [said(e.rule), h('div', {}, end ? [end.rows !== undefined && `${count(end.rows)} ${end.rows === 1 ? 'row' : 'rows'} · `, end.masked > 0 && [tag(`${count(end.masked)} masked`, 'mask'), ' '], span(ns(end.duration_ns))] : e.decision === 'deny' ? '' : since)]);
    }
    case 'connect.refused': return line(tag('refused', 'bad'), [said(e.protocol), ' ', said(e.name ?? e.dst), h('div.note.bad', {}, said(e.reason))], e.count > 1 ? `${count(e.count)} times` : since);
    case 'flow.open': return plain('open', said(e.resource ?? e.dst), ' ', said(e.comm ?? ''));
    case 'mask.applied': return plain('masked', 'by rule ', said(e.rule), `: ${count(e.count)} operations, ${count(e.masked)} values`);
    case 'flow.close': return plain('close', said(e.reason), ` · ${count(e.bytes_up)} B up, ${count(e.bytes_down)} B down`);
    case 'session.start': return plain('start', said(e.how), ' ', h('code', {}, said((e.command ?? []).filter((c) => typeof c === 'string').join(' '))));
    default: return plain(e.type.replace(/^session\.|^approval\./, '').replace('.', ' '), TOLD[e.type]?.(e) ?? said(e.reason ?? e.request ?? ''));
  }
}

// What else happens to a session, in a few words; null: what is not there is left out.
const TOLD = {
  'approval.request': (e) => ['request ', at(e), ' asks people: rule ', said(e.rule), ', ', said(e.gives ? `role ${e.gives}` : e.tag)],
  'approval.estimate': (e) => ['request ', at(e), e.rows === undefined ? [': no estimate: ', said(e.why)] : `: the database expects ${count(e.rows)} rows`],
  'approval.join': (e) => ['request ', at(e), ': the same was sent again'],
  'approval.vote': (e) => ['request ', at(e), ': ', said(e.by), ' says ', said(e.verdict), e.words && [': ', said(e.words)]],
  'approval.escalate': (e) => ['request ', at(e), ': more people are asked'],
  'approval.release': (e) => ['request ', at(e), ' is released'],
  'approval.end': (e) => ['request ', at(e), ': ', said(e.end), e.reason && [', ', said(e.reason)]],
  'grant.start': (e) => ['grant ', said(e.grant), e.gives && [': role ', said(e.gives)], ' until ', day(e.until * 1000)],
  'grant.end': (e) => ['grant ', said(e.grant), ' ends: ', said(e.end)],
  'session.kernel': (e) => `the kernel counted ${count(e.opened)} connections, ${count(e.used)} used`,
  'session.reconciled': (e) => ['the kernel’s count against the record: ', tag(e.outcome, e.outcome === 'match' ? 'ok' : e.outcome === 'mismatch' ? 'bad' : 'warn'), e.reason && [' ', said(e.reason)]],
};
const at = (e) => h('a', { href: `/requests/${e.request}`, 'data-go': true }, said(e.request));

// An operation and its end are one step.
function join(events) {
  const ops = new Map();
  const steps = [];
  for (const e of events) {
    const key = `${e.flow}/${e.id}`;
    if (e.type === 'op.end' && ops.has(key)) { ops.get(key).end = e; ops.delete(key); continue; }
    if (e.type === 'op') ops.set(key, e);
    if (e.type !== 'op.end') steps.push(e);
  }
  return steps;
}

// Plays a session as it went: steps come at their times, pauses cut to a second.
function player(lines, times) {
  let at = lines.length, timer = null, speed = 1;
  const range = h('input', { type: 'range', min: 0, max: lines.length, value: lines.length, 'aria-label': 'Step', oninput: () => { stop(); set(Number(range.value)); } });
  const where = h('span.dim.small.time');
  const play = h('button', { onclick: () => (timer ? stop() : start()) }, '▶ Replay');
  const set = (n) => {
    at = n;
    range.value = n;
    lines.forEach((l, i) => { l.hidden = i >= n; l.classList.toggle('at', i === n - 1 && n < lines.length); });
    where.textContent = `${n} of ${lines.length}`;
    if (timer) lines[n - 1]?.scrollIntoView({ block: 'nearest' });
  };
  const stop = () => { clearTimeout(timer); timer = null; play.textContent = '▶ Replay'; };
  const tick = () => {
    if (at >= lines.length) { stop(); return; }
    set(at + 1);
    timer = setTimeout(tick, Math.min(1000, Math.max(40, (times[at] ?? 0) - (times[at - 1] ?? 0))) / speed);
  };
  const start = () => {
    if (at >= lines.length) set(0);
    play.textContent = '❚❚ Pause';
    timer = setTimeout(tick, 0);
  };
  set(lines.length);
  const pace = h('select', { 'aria-label': 'Speed', onchange: () => { speed = Number(pace.value); } }, [1, 2, 5, 20].map((n) => h('option', { value: n }, `${n}×`)));
  return { bar: h('div.player', {}, play, range, where, pace), stop,
    key: (k) => (k === ' ' ? (timer ? stop() : start(), true) : k === 'ArrowRight' ? (set(Math.min(lines.length, at + 1)), true) : k === 'ArrowLeft' ? (set(Math.max(0, at - 1)), true) : false) };
}

export async function one(root, id) {
  const LIMIT = 500;
  let play = null, shown = 0;
  const timeline = h('div.card.tight');
  const top = h('div');
  const more = h('button', { hidden: true }, 'More of the record');
  const events = [];
  const draw = () => {
    const began = events.length ? ns(events[0].time) : 0;
    const steps = join(events.map((e) => ({ ...e })));
    const lines = steps.map((e) => step(e, began));
    play?.stop();
    play = player(lines, steps.map((e) => ns(e.time)));
    fill(timeline, lines.length ? [play.bar, lines] : h('div.empty', {}, 'Nothing is on record yet.'));
  };
  const load = async () => {
    const from = events.length ? events.at(-1)._seq + 1 : undefined;
    const got = await get('/v1/events', { session: id, limit: LIMIT, from });
    events.push(...got);
    more.hidden = got.length < LIMIT;
    if (got.length || !shown) draw();
    shown = 1;
  };
  more.addEventListener('click', () => load().catch((e) => fill(top, failed(e))));
  const head = async () => {
    const s = await get(`/v1/sessions/${encodeURIComponent(id)}`);
    const stop = async () => {
      const reason = prompt('Revoke this identity now? Its connections end. Why:');
      if (reason === null) return;
      await post(`/v1/sessions/${id}/revoke`, { reason });
      say('Revoked.');
      head();
    };
    fill(top, h('div.head', {}, h('a', { href: '/sessions', 'data-go': true }, '‹ Sessions'), h('h1.mono', {}, id), s.state && tag(s.state), h('span.grow'),
      h('a.button', { href: `/v1/export?session=${encodeURIComponent(id)}&format=jsonl`, download: `${id}.jsonl` }, 'Export'),
      s.state === 'live' && may('admin') && h('button.bad', { onclick: () => stop().catch((e) => say(e.message)) }, 'Revoke')),
    h('div.stat', {}, [['operations', s.ops], ['denied', s.denied], ['asked', s.asked], ['masked', s.masked], ['connections', s.flows], ['refused at connect', s.refusals]].map(([k, v]) => h('div', {}, h('b', {}, count(v)), h('span', {}, k)))),
    h('div.card', {}, pairs(['Identity', [said(s.subject ?? ''), h('span.dim', {}, ' · ', said(s.issuer ?? ''))]], ['For', s.owner ? said(s.owner) : h('span.dim', {}, 'nobody named')], ['Role', said(s.role ?? '')],
      s.command?.length && ['Command', h('code', {}, said(s.command.filter((c) => typeof c === 'string').join(' ')))],
      s.expires && ['Token ends', day(s.expires * 1000)], s.end_reason && ['Ended', said(s.end_reason)])));
  };
  fill(root, top, timeline, h('p', {}, more));
  await Promise.all([head(), load()]);
  return { changed: (t) => { if (t === 'sessions') { head().catch(() => {}); load().catch(() => {}); } }, leave: () => play?.stop(), key: (k) => play?.key(k) };
}
