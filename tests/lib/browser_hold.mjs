// Statements that are held, answered by people at two browsers: browse.mjs. The test prints what waits on standard
// input, a JSON a line, and reads what was done on standard output.
import { createInterface } from 'node:readline';
import { given, browser, problems, phone, check, equal, person, login, shot } from './browse.mjs';

const { url, long } = given;
const asked = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async (word) => { console.log(`next ${word}`); return JSON.parse((await asked.next()).value); };
const vote = (page) => page.locator('.vote p').innerText();

const ada = await person('ada');
const ben = await person('ben', phone);
const pat = await person('pat@example.com', { colorScheme: 'dark' });
await login(ada, '/requests');
await login(ben, '/requests');
await login(pat, '/requests');

const first = await next('ddl');
await check('a held ALTER TABLE comes into the inbox by itself', async () => {
  await ada.waitForSelector(`a.req[href="/requests/${first.request}"]`);
  await shot(ada, 'hold-inbox');
  return (await ada.locator('a.req').innerText()).includes('ALTER TABLE');
});
await check('its page shows who, where, what and the hash', async () => {
  await ada.click(`a.req[href="/requests/${first.request}"]`);
  await ada.waitForSelector('#approve:enabled');
  const all = await ada.locator('main').innerText();
  await shot(ada, 'hold-request');
  return ['crew-8', 'pat@example.com', 'ALTER TABLE crown ADD COLUMN note text', first.hash, 'shop', 'test-node', '0 of 2 dba'].every((w) => all.includes(w)) || all;
});
await check('who the agent works for cannot answer, in so many words', async () => {
  await pat.goto(`${url}/requests/${first.request}`);
  await pat.click('#approve:enabled');
  await pat.waitForSelector('.vote p');
  await shot(pat, 'hold-owner-dark');
  return /whom the agent acts for, and cannot answer it/.test(await vote(pat)) || vote(pat);
});
await check('one of two is not enough', async () => {
  await ben.goto(`${url}/requests/${first.request}`);
  await ben.waitForSelector('#approve:enabled');
  await shot(ben, 'hold-request-phone');
  await ben.click('#approve');
  await ada.waitForSelector('text=1 of 2 dba');
  return equal(await ada.locator('#outcome').count(), 0);
});
await check('nor does one person count twice', async () => {
  await ben.click('#approve:enabled');
  await ben.waitForSelector('.vote p');
  return /has answered this request already/.test(await vote(ben)) || vote(ben);
});
await check('the second person lets it run, and both see what came of it', async () => {
  await ada.click('#approve:enabled');
  for (const page of [ada, ben]) await page.waitForSelector('#outcome');
  const text = await ada.locator('#outcome').innerText();
  await shot(ada, 'hold-ran');
  await shot(ben, 'hold-ran-phone');
  return /ran, \d+ ms, 0 rows/.test(text) || text;
});

const second = await next('denied');
await check('a denial says why', async () => {
  await ada.goto(`${url}/requests/${second.request}`);
  await ada.click('#deny');
  await ada.fill('.vote textarea', 'not on a Friday <b>');
  await ada.click('.vote button.bad');
  await ada.waitForSelector('h1 ~ .tag:has-text("denied")');
  await shot(ada, 'hold-denied');
  return (await ada.locator('main').innerText()).includes('not on a Friday <b>');
});
await check('the change to what was approved before is shown', async () => {
  const box = await ada.locator('#before').innerText();
  return (box.includes('note') && equal([await ada.locator('#before del').count() > 0, await ada.locator('#before ins').count() > 0], [true, true]) === true) || box;
});

const third = await next('long');
await check('a long text cannot be approved before its end was shown', async () => {
  await ada.goto(`${url}/requests/${third.request}`);
  await ada.waitForSelector('#more');
  const states = [await ada.locator('#approve').isDisabled(), await ada.locator('#unread').innerText()];
  await shot(ada, 'hold-long');
  let n = 1;
  while (await ada.locator('#more').count()) {
    if (!await ada.locator('#approve').isDisabled()) return 'approvable after part ' + n;
    await ada.click('#more');
    n++;
  }
  // All parts are there, but the end was not in view.
  await ada.evaluate(() => scrollTo(0, 0));
  const text = (await ada.locator('.parts pre').allInnerTexts()).join('');
  if (!text.includes(long.first) || !text.includes(long.last)) return { length: text.length };
  await ada.evaluate(() => document.querySelector('.mark').scrollIntoView({ block: 'center' }));
  await ada.waitForSelector('#approve:enabled');
  await shot(ada, 'hold-long-read');
  return (n > 3 && states[0] && /unseen.*part 1 of/.test(states[1])) || { n, states };
});
await check('what was read stays read when somebody else answers', async () => {
  await ben.goto(`${url}/requests/${third.request}`);
  await ben.waitForSelector('#more');
  while (await ben.locator('#more').count()) await ben.click('#more');
  await ben.evaluate(() => document.querySelector('.mark').scrollIntoView({ block: 'center' }));
  await ben.click('#approve:enabled');
  await ada.waitForSelector('text=1 of 2 dba');
  return equal(await ada.locator('#approve').isEnabled(), true);
});
await check('and it is approved', async () => {
  await ada.click('#approve:enabled');
  await ada.waitForSelector('#outcome');
});

const fourth = await next('stale');
await check('a login that is too old has to be renewed, by one click', async () => {
  await ada.goto(`${url}/requests/${fourth.request}`);
  await ada.click('#approve:enabled');
  await ada.waitForSelector('.vote >> text=Log in again to vote');
  return /is \d+ s old, at most 1 are accepted: log in anew/.test(await vote(ada)) || vote(ada);
});
await check('nothing went wrong in any page', async () => equal(problems, []));
await browser.close();
process.stdin.destroy(); // it would be waited for
