// The node: its workloads, its policy, its record's state, what its kernel covers.
import { h, fill, said, tag, pairs, table, day, count } from './dom.js';
import { get, post, may } from './api.js';
import { say, go, failed } from './app.js';

export async function workloads(root) {
  const rows = h('tbody');
  const draw = async () => {
    const s = await get('/v1/status');
    const now = Date.now() / 1000;
    fill(rows, s.workloads.length ? s.workloads.map((w) => h('tr.go', { onclick: () => { if (may('admin', 'auditor')) go(`/sessions/${w.session}`); } },
      h('td.mono', {}, w.session), h('td.clip', {}, said(w.subject), w.owner && h('span.dim', {}, ' for ', said(w.owner))), h('td', {}, said(w.role)), h('td', {}, tag(w.state)),
      h('td.wide', {}, w.expires > now ? day(w.expires * 1000) : tag('expired')), h('td.n', {}, count(w.processes)), h('td.n', {}, count(w.flows)), h('td.n', {}, count(w.ops)), h('td.n.wide', {}, (w.ops_per_second ?? 0).toFixed(1)),
      h('td.clip.mono.wide', {}, said(w.cgroup)))) : h('tr', {}, h('td.empty', { colSpan: 10 }, 'No workload runs. ', h('code', {}, 'sluice run --token-file T -- CMD'), ' begins one.')));
  };
  const th = (t, c = '') => h(`th${c}`, { scope: 'col' }, t);
  fill(root, h('div.head', {}, h('h1', {}, 'Workloads')), h('div.card.tight', {}, h('table.fixed.lines', { id: 'workloads' }, h('thead', {}, h('tr', {}, th('Session'), th('Identity'), th('Role'), th('State'), th('Token ends', '.wide'), th('Processes', '.n'), th('Flows', '.n'), th('Ops', '.n'), th('per s', '.n.wide'), th('Cgroup', '.wide'))), rows)));
  await draw();
  const timer = setInterval(() => draw().catch(() => {}), 10000);
  return { changed: (t) => { if (t === 'sessions' || t === 'hello') draw().catch(() => {}); }, leave: () => clearInterval(timer) };
}

export async function policy(root) {
  const box = h('div');
  const draw = async () => {
    const p = await get('/v1/policy');
    const reload = async () => {
      const r = await post('/v1/policy/reload').catch((e) => ({ error: e.message }));
      say(r.error ?? (r.changed ? 'A new policy is in force.' : 'Nothing changed.'));
      draw();
    };
    fill(box, h('div.head', {}, h('h1', {}, 'Policy'), p.error ? tag('newest refused', 'bad') : tag('in force', 'ok'), h('span.grow'), may('admin') && h('button', { onclick: reload }, 'Read again')),
      h('div.card', {}, pairs(['File', h('code', {}, said(p.path))], ['Hash', h('code.said', {}, p.hash)], p.error && ['Refused', h('div.note.bad', {}, said(p.error))])));
  };
  const p = await get('/v1/policy');
  const role = h('input', { placeholder: 'role', 'aria-label': 'Role', required: true });
  const resource = h('select', { 'aria-label': 'Resource' }, p.resources.map((r) => h('option', { value: r }, said(r))));
  const sql = h('textarea', { placeholder: 'SELECT name, ssn FROM customers', 'aria-label': 'Statement', required: true, spellcheck: false, id: 'sql', className: 'mono',
    onkeydown: (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) form.requestSubmit(); } });
  const out = h('div', { id: 'explained', role: 'status' });
  const ask = async (e) => {
    e.preventDefault();
    const a = await post('/v1/policy/explain', { role: role.value.trim(), resource: resource.value, sql: sql.value }).catch((x) => ({ error: x.message }));
    fill(out, a.error ? h('p.note.bad', {}, said(a.error)) : explained(a));
  };
  const form = h('form', { onsubmit: ask }, sql, h('div.bar', {}, role, resource, h('button.main', {}, 'Explain'), h('span.dim.small.wide', {}, h('kbd', {}, 'Ctrl'), ' ', h('kbd', {}, 'Enter'))));
  fill(root, box, h('div.card', {}, h('h2', {}, 'Explain'), h('p.dim', {}, 'What the policy in force says to a statement: it is read as the gateway would read it, and not run.'), form, out));
  await draw();
  return { changed: (t) => { if (t === 'policy') draw().catch(() => {}); } };
}

// What a statement needs, and what the policy says to each part of it.
function needed(needs) {
  return h('div.scroll', {}, table(['Needs', 'On', '', 'Rule', ''], needs.map((n) => h(`tr${n.implied ? '.dim' : ''}`, {}, h('td', {}, said(n.verb)),
    h('td.mono', {}, said([n.schema, n.name].filter(Boolean).join('.')), n.columns.length > 0 && h('span.dim', {}, ' (', said(n.columns.join(', ')), ')')),
    h('td', {}, tag(n.decision)), h('td.mono', {}, said(n.rule)), h('td.dim', {}, said(n.why || (n.implied ? 'implied' : ''))))), { className: 'lines' }));
}

const COMES = { none: 'of no table', copy: '', derived: 'computed from ', unknown: 'cannot be traced: ' };

// Where each column of the rows comes from, and how the role is shown it.
function rowsShown(r) {
  if (!r) return null;
  if (!r.known) return h('p.note.warn', {}, 'Its rows cannot be traced', r.why && [': ', said(r.why)]);
  return [r.columns.length > 0 && h('div.scroll', {}, table(['Column', 'Shown', 'Comes from'], r.columns.map((c, i) => h('tr', {}, h('td', {}, i + 1),
    h('td', {}, c.mask ? tag(c.mask.replaceAll('_', ' '), 'mask') : h('span.dim', {}, 'as it is'), c.detect.length > 0 && h('div.dim.small', {}, 'within texts: ', said(c.detect.join(', ')))),
    h('td.mono', {}, COMES[c.kind], said(c.from.join(', ')), said(c.why)))))),
  r.conditions.length > 0 && h('p.dim', {}, 'Its rows also tell of ', h('span.mono', {}, said(r.conditions.join(', ')))),
  r.unknown_condition && h('p.dim', {}, 'and of what cannot be traced: ', said(r.unknown_condition)), r.unmaskable && h('p.note.bad', {}, 'They cannot be masked: ', said(r.unmaskable))];
}

function explained(a) {
  return [h('p', {}, tag(a.decision), ' by rule ', h('code', {}, said(a.rule)), a.database && h('span.dim', {}, ' · names as in database ', said(a.database)),
    a.reason && h('div', {}, said(a.reason)), a.hint && h('div.dim', {}, said(a.hint))),
  a.statements.map((s) => h('section', {}, h('h2', {}, said(s.tag), ' · ', said(s.class)), needed(s.needs), rowsShown(s.result)))];
}

export async function audit(root) {
  const box = h('div');
  const check = async () => {
    fill(box, h('div.card', {}, h('p.dim', {}, 'Every event is read and hashed, every checkpoint’s signature checked…'), h('progress')));
    try {
      const [v] = await get('/v1/verify');
      // Nothing but exit 0 is good.
      const verdict = v?.exit === 0 ? tag('whole', 'ok') : v?.exit === 1 ? tag('broken', 'bad') : tag('cannot be told', 'warn');
      fill(box, h('div.card', {}, h('h2', {}, 'The chain'), h('p', {}, verdict, ' ', said(v?.line ?? v?.error ?? 'no answer')), v && pairs(['Events', `${count(v.first)} to ${count(v.last)}`],
        ['Signed up to', count(v.signed_to)], v.removed_to > 0 && ['Removed by retention', `up to ${count(v.removed_to)}`], ['Hashed', `${count(v.bytes)} bytes`], ['Node’s key', h('code.said', {}, v.key)])));
    } catch (e) {
      const b = failed(e);
      if (b) fill(box, b);
    }
  };
  const calls = h('tbody');
  fill(root, h('div.head', {}, h('h1', {}, 'Audit'), h('span.grow'), h('a.button', { href: '/v1/export?format=jsonl', download: 'record.jsonl' }, 'Export all'), h('button.main', { onclick: check }, 'Verify now')), box,
    h('div.card.tight.scroll', {}, h('table.fixed.lines', { id: 'calls' }, h('colgroup', {}, h('col'), h('col'), h('col'), h('col'), h('col')), h('thead', {}, h('tr', {}, ['When', 'Who', 'From', 'What', ''].map((t) => h('th', { scope: 'col' }, t)))), calls)));
  fill(box, h('div.card', {}, h('p', {}, 'The record is a chain of hashes with signed checkpoints. ', h('b', {}, 'Verify now'), ' reads all of it on the node; ', h('code', {}, 'sluice verify'), ' does the same on a copy, with nobody’s word but the public key’s.')));
  const since = Math.floor(Date.now() / 1000) - 86400;
  const got = (await Promise.all(['admin.call', 'admin.login'].map((type) => get('/v1/events', { type, since, limit: 2000 })))).flat();
  got.sort((a, b) => b._seq - a._seq);
  fill(calls, got.length ? got.slice(0, 200).map((e) => h('tr', {}, h('td.time', {}, day(e.time / 1e6)), h('td.clip', {}, said(e.actor ?? '')), h('td.mono.clip', {}, said(e.from)),
    h('td.mono.clip', {}, e.type === 'admin.call' ? [said(e.method), ' ', said(e.path), e.query && h('span.dim', {}, '?', said(e.query))] : 'log in'), h('td', {}, e.decision === 'deny' ? [tag('deny'), ' ', said(e.reason ?? '')] : tag('allow')))) : h('tr', {}, h('td.empty', { colSpan: 5 }, 'Nobody asked anything today.')));
  return {};
}

const name = (f) => f.feature.replaceAll('_', ' ');

export async function doctor(root) {
  const [d, s] = await Promise.all([get('/v1/doctor'), get('/v1/status')]);
  const lacks = d.features.filter((f) => !f.have);
  fill(root, h('div.head', {}, h('h1', {}, said(s.node)), lacks.length ? tag(`${lacks.length} not there`, 'warn') : tag('all there', 'ok')),
    h('div.card', {}, pairs(['Version', said(s.version)], ['Policy', h('code.said', {}, s.policy)], ['Proxy', s.proxy ? tag('up', 'ok') : tag('down', 'bad')], ['Recorder', s.recorder ? tag('up', 'ok') : tag('down', 'bad')])),
    lacks.length > 0 && h('div.card.tight.scroll', {}, table(['Not there', 'Without it', 'Remedy'], lacks.map((f) => h('tr', {}, h('td', {}, tag(name(f), 'warn')), h('td', {}, said(f.cost)), h('td.dim', {}, said(f.remedy)))), { className: 'stack' })),
    h('div.card', {}, h('h2', {}, 'There'), h('div.bar', {}, d.features.filter((f) => f.have).map((f) => h('span', { title: f.need }, tag(name(f), 'ok'))))));
  return {};
}
