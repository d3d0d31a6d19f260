// A record of 10,000 sessions: browse.mjs. Pages, searches and walks at a reader's speed, and nothing jumps.
import { given, browser, problems, phone, check, equal, person, login, shot } from './browse.mjs';

const { url, n } = given;
const rows = '#sessions tbody tr.go';
const SLOW = 3000; // ms for what a reader waits for, on a machine that does other things too

async function watched(name, options) {
  const page = await person(name, options);
  await page.addInitScript(() => {
    window.jumps = 0;
    new PerformanceObserver((l) => { for (const e of l.getEntries()) if (!e.hadRecentInput) window.jumps += e.value; }).observe({ type: 'layout-shift', buffered: true });
  });
  await login(page, '/sessions');
  await page.waitForSelector(rows);
  return page;
}
const first = (page) => page.locator(`${rows} a`).first().innerText();
const changes = async (page, f) => {
  const old = await first(page), began = Date.now();
  await f();
  await page.waitForFunction(([q, was]) => document.querySelector(q)?.innerText !== was, [`${rows} a`, old]);
  return Date.now() - began;
};

const dora = await watched('dora');
await check('the newest stand first, fifty a page', async () => {
  await shot(dora, 'many');
  const place = await dora.locator('.head .dim').innerText();
  return (place.includes(`1 to 50 of ${n.toLocaleString('en')}`) && await dora.locator(rows).count() === 50) || place;
});
await check('older ones, page by page, fast', async () => {
  const times = [];
  for (let i = 0; i < 8; i++) times.push(await changes(dora, () => dora.click('button:has-text("Older")')));
  console.error(`a page: ${times.sort((a, b) => a - b)[4]} ms in the middle, ${times.at(-1)} at most`);
  return times.at(-1) < SLOW || times;
});
await check('and back', async () => {
  const place = await dora.locator('.head .dim').innerText();
  await changes(dora, () => dora.click('button:has-text("Newer")'));
  return place.includes('401 to 450') || place;
});
await check('a search among all of them, fast', async () => {
  const began = Date.now();
  await dora.fill('input[type=search]', 'M00004711');
  await dora.waitForFunction((q) => document.querySelectorAll(q).length === 1, rows);
  const took = Date.now() - began;
  console.error(`a search: ${took} ms, 200 of them its own wait`);
  return (took < SLOW && (await dora.locator(rows).innerText()).includes('s-m00004711')) || took;
});
await check('only those with refusals', async () => {
  await dora.fill('input[type=search]', '');
  await dora.check('label:has-text("with refusals") input');
  await dora.waitForFunction((want) => document.querySelector('.head .dim').textContent.includes(want), `of ${(n / 10).toLocaleString('en')}`);
});
await check('nothing jumped', async () => {
  const jumps = await dora.evaluate(() => window.jumps);
  return jumps < 0.02 || jumps;
});
const cleo = await watched('cleo', { ...phone, colorScheme: 'dark' });
await check('nor on a phone, which shows no more than its width', async () => {
  for (let i = 0; i < 3; i++) await changes(cleo, () => cleo.click('button:has-text("Older")'));
  await shot(cleo, 'many-phone-dark');
  const [jumps, wide] = await cleo.evaluate(() => [window.jumps, document.documentElement.scrollWidth > innerWidth]);
  return (jumps < 0.02 && !wide) || { jumps, wide };
});
await check('nothing went wrong in any page', async () => equal(problems, []));
await browser.close();
