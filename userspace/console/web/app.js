// Which page is shown, who is logged in, what is live.
import { h, fill } from './dom.js';
import { get, post, state, may, Refused } from './api.js';
import * as requests from './requests.js';
import * as sessions from './sessions.js';
import * as node from './node.js';

const READERS = ['admin', 'auditor'];
const PAGES = [
  { path: '/requests', name: 'Requests', key: 'r', show: requests.inbox, one: requests.one },
  { path: '/sessions', name: 'Sessions', key: 's', show: sessions.list, one: sessions.one, roles: READERS },
  { path: '/workloads', name: 'Workloads', key: 'w', show: node.workloads },
  { path: '/policy', name: 'Policy', key: 'p', show: node.policy, roles: READERS },
  { path: '/audit', name: 'Audit', key: 'a', show: node.audit, roles: READERS },
  { path: '/node', name: 'Node', key: 'n', show: node.doctor },
];
const REFUSALS = {
  provider: 'The identity provider did not confirm this login. Try again; if it stays so, the daemon’s log says why.',
  state: 'This login was not begun in this browser, or too long ago. Begin again.',
  token: 'The identity provider’s answer did not hold. The daemon’s log says why.',
  groups: 'You are known, but none of your groups has a role here. Ask an administrator of this gateway.',
  busy: 'Too many people are logging in. Try again in a moment.',
};

const main = document.getElementById('main');
let page = null; // what is shown: { changed?(topic), key?(k), leave?() }
let turn = 0;

export function say(text) {
  const box = document.getElementById('say');
  box.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { box.textContent = ''; }, 5000);
}

export function go(path, replace = false) {
  history[replace ? 'replaceState' : 'pushState'](null, '', path);
  return show();
}

export function login(fresh = false) {
  const q = new URLSearchParams({ to: location.pathname });
  if (fresh) q.set('fresh', '1');
  location.assign(`/auth/login?${q}`);
}

function doors(why) {
  document.title = 'sluice';
  fill(document.getElementById('nav'));
  fill(document.getElementById('who'));
  fill(main, h('div.center', {}, h('div.card', {}, h('img', { src: '/icon.svg', width: 44, height: 44, alt: '' }), h('h1', {}, 'sluice'),
    h('p.dim', {}, 'Who may do what on this node, and who said yes.'), why && h('p.note.bad', {}, why),
    h('p', {}, h('button.main', { onclick: () => login(), autofocus: true }, 'Log in')))));
}

export function failed(e) {
  if (e instanceof Refused && e.status === 401) {
    state.me = null;
    live.stop();
    doors('Your login is over.');
    return null;
  }
  if (!(e instanceof Refused)) console.error(e);
  return h('div.card', {}, h('p', {}, e.message), e.remedy && h('p.dim', {}, e.remedy));
}

function frame(path) {
  const open = PAGES.filter((p) => !p.roles || may(...p.roles));
  fill(document.getElementById('nav'), open.map((p) => h('a', { href: p.path, 'data-go': true, title: `g ${p.key}`,
    'aria-current': path.startsWith(p.path) && 'page' }, p.name, p.path === '/requests' && h('span.count', { id: 'waiting', hidden: true }))));
  fill(document.getElementById('who'), h('span.dot', { id: 'live', title: 'not connected' }), h('span.mono.small.wide', {}, state.me.node),
    h('span.name', { title: `${state.me.subject}\n${state.me.roles.join(', ')}` }, state.me.label),
    h('button.plain', { onclick: leave }, 'Log out'));
  live.mark();
  requests.mark();
}

async function leave() {
  try {
    await post('/auth/logout');
  } finally {
    state.me = null;
    live.stop();
    history.replaceState(null, '', '/');
    doors('You are logged out.');
  }
}

async function show() {
  const mine = ++turn;
  if (location.pathname === '/') history.replaceState(null, '', '/requests');
  const path = location.pathname;
  const found = PAGES.find((p) => path === p.path || (p.one && path.startsWith(p.path + '/')));
  page?.leave?.();
  page = null;
  frame(path);
  if (!found) {
    fill(main, h('div.empty', {}, 'There is no such page.'));
    return;
  }
  document.title = `${found.name} · sluice`;
  const body = h('div');
  const next = await (path === found.path ? found.show(body) : found.one(body, decodeURIComponent(path.slice(found.path.length + 1))))
    .catch((e) => { const box = failed(e); return box ? (fill(body, box), {}) : null; });
  if (mine !== turn || !next) {
    next?.leave?.();
    return;
  }
  page = next;
  fill(main, body);
  window.scrollTo(0, 0);
}

// --- live ---
const live = {
  source: null,
  start() {
    this.source?.close();
    this.source = new EventSource('/v1/live');
    this.source.addEventListener('hello', () => { this.mark(); this.tell('hello'); });
    this.source.addEventListener('changed', (e) => this.tell(e.data));
    this.source.addEventListener('error', () => {
      this.mark();
      if (this.source?.readyState === EventSource.CLOSED) {
        clearTimeout(this.again);
        this.again = setTimeout(() => { if (state.me) check(); }, 3000);
      }
    });
  },
  stop() {
    this.source?.close();
    this.source = null;
  },
  tell(topic) {
    if (topic === 'requests' || topic === 'hello') requests.mark();
    page?.changed?.(topic);
  },
  mark() {
    const dot = document.getElementById('live');
    const on = this.source?.readyState === EventSource.OPEN;
    if (!dot) return;
    dot.className = `dot ${on ? 'live' : 'lost'}`;
    dot.title = on ? 'live' : 'not connected: what is shown may be old';
  },
};

async function check() {
  try {
    state.me = await get('/v1/me');
  } catch (e) {
    failed(e);
    return false;
  }
  live.start();
  return true;
}

// --- keys: g and a page's letter goes there; ? says which ---
let before = '';
addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || !state.me) return;
  const typing = e.target.matches('input, textarea, select');
  if (e.key === 'Escape' && typing) { e.target.blur(); return; }
  if (typing) return;
  const found = before === 'g' && PAGES.find((p) => p.key === e.key && (!p.roles || may(...p.roles)));
  before = e.key;
  if (found) go(found.path);
  else if (e.key === '?') say('g then r s w p a n: pages · j k: up and down · Enter: open · /: search · space: play');
  else if (e.key === '/') { const box = main.querySelector('input[type=search]'); if (box) { e.preventDefault(); box.focus(); } }
  else if (page?.key?.(e.key)) e.preventDefault();
  else if (e.key === 'j' || e.key === 'k') walk(e.key === 'j' ? 1 : -1);
  else if (e.key === 'Enter' && !e.target.matches('a, button')) main.querySelector('.at')?.click();
});

function walk(step) {
  const all = [...main.querySelectorAll('.go, a.req')];
  if (!all.length) return;
  const at = all.findIndex((e) => e.classList.contains('at'));
  const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
  all[at]?.classList.remove('at');
  next.classList.add('at');
  next.scrollIntoView({ block: 'nearest' });
}

addEventListener('click', (e) => {
  const a = e.target.closest('a[data-go]');
  if (!a || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
  e.preventDefault();
  go(a.getAttribute('href'));
});
addEventListener('popstate', () => { if (state.me) show(); });

const why = new URLSearchParams(location.search).get('login');
if (why) {
  history.replaceState(null, '', location.pathname);
  doors(REFUSALS[why] ?? 'This login was refused.');
} else {
  get('/v1/me').then((me) => { state.me = me; live.start(); return show(); },
    (e) => (e.status === 401 ? doors() : fill(main, failed(e))));
}
