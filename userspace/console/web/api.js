// The admin API. A change carries what only this page can know.
export const state = { me: null };

export class Refused extends Error {
  constructor(status, body) {
    super(body?.error ?? `the gateway answers with ${status}`);
    this.status = status;
    this.remedy = body?.remedy;
  }
}

async function answer(r) {
  const type = r.headers.get('Content-Type') ?? '';
  if (type.includes('ndjson')) {
    const lines = (await r.text()).split('\n').filter(Boolean).map((l) => JSON.parse(l));
    if (lines.at(-1)?.error && Object.keys(lines.at(-1)).length === 1) throw new Refused(502, lines.at(-1));
    return lines;
  }
  const body = type.includes('json') ? await r.json() : null;
  if (!r.ok) throw new Refused(r.status, body);
  return body;
}

export async function get(path, params = {}) {
  const q = new URLSearchParams(Object.entries(params).filter(([, v]) => v !== '' && v !== undefined && v !== null && v !== false));
  const ask = () => fetch(path + (q.size ? `?${q}` : ''), { credentials: 'same-origin', cache: 'no-store' });
  // A phone that changes its network breaks what is on its way: to ask again harms nothing.
  const again = (ms) => () => new Promise((done) => setTimeout(done, ms)).then(ask);
  return answer(await ask().catch(again(200)).catch(again(1000)));
}

export async function post(path, body = {}) {
  return answer(await fetch(path, { method: 'POST', credentials: 'same-origin', body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': state.me?.csrf ?? '' } }));
}

export const may = (...roles) => roles.some((r) => state.me?.roles.includes(r));
