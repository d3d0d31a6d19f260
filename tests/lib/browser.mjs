// The console as a browser shows it: browse.mjs. Given: url, session (a hostile one), hostile, request (for a role).
import { given, browser, problems, phone, check, equal, person, login, shot } from './browse.mjs';

const { url, session, hostile, request } = given;
const ada = await person('ada');
await check('a person logs in and comes back to where they were', async () => {
  await login(ada, '/requests');
  return equal(new URL(ada.url()).pathname, '/requests');
});
await check('an approver sees no sessions', async () => equal((await ada.locator('#nav a').allInnerTexts()).map((x) => x.split('\n')[0]), ['Requests', 'Workloads', 'Node']));
await shot(ada, 'inbox-empty');

const cleo = await person('cleo', { colorScheme: 'dark' });
await check('an administrator sees all pages', async () => {
  await login(cleo, '/sessions');
  await cleo.waitForSelector('#sessions tbody tr.go');
  return equal((await cleo.locator('#nav a').allInnerTexts()).length, 6);
});
await shot(cleo, 'sessions-dark');
await check('sessions come page by page', async () => equal(await cleo.locator('#sessions tbody tr').count() <= 50, true));
await check('a search narrows them', async () => {
  await cleo.fill('input[type=search]', 'nobody-of-that-name');
  await cleo.waitForSelector('text=No session fits');
  await cleo.fill('input[type=search]', '');
  await cleo.waitForSelector('#sessions tbody tr.go');
});
await check('keys walk and open', async () => {
  await cleo.locator('input[type=search]').blur();
  await cleo.keyboard.press('j');
  await cleo.waitForSelector('#sessions tr.at');
  await cleo.keyboard.press('Enter');
  await cleo.waitForURL(/\/sessions\/s-/);
});

await check('what a session said is text and nothing else', async () => {
  await cleo.goto(`${url}/sessions/${session}`);
  await cleo.waitForSelector('.line pre');
  const texts = await cleo.locator('.line pre').allInnerTexts();
  const bad = await cleo.evaluate(() => document.querySelectorAll('main img[src="x"], main script, main b.evil').length);
  if (bad) return { bad };
  return texts.some((x) => x.includes(hostile.markup)) || { texts };
});
await check('what would move text around is shown by its name', async () => {
  const all = await cleo.locator('main').innerText();
  return hostile.codes.every((c) => all.includes(c)) || all.slice(0, 2000);
});
await check('rows, refusals and rules are in the timeline', async () => {
  const all = await cleo.locator('main').innerText();
  return ['deny', 'allow', 'rows'].every((w) => all.includes(w)) || all.slice(0, 1500);
});
await shot(cleo, 'session-dark');
await check('a replay plays', async () => {
  const n = await cleo.locator('.line').count();
  await cleo.evaluate(() => document.activeElement?.blur());
  await cleo.keyboard.press('ArrowLeft');
  if (await cleo.locator('.line:visible').count() !== n - 1) return 'one back is not one less';
  await cleo.click('text=Replay');
  await cleo.waitForFunction((k) => [...document.querySelectorAll('.line')].filter((l) => !l.hidden).length === k, n);
});
for (const [key, path, text] of [['w', '/workloads', 'Workloads'], ['p', '/policy', 'Policy'], ['a', '/audit', 'Audit'], ['n', '/node', 'recorder']]) {
  await check(`g ${key} goes to ${path}`, async () => {
    await cleo.keyboard.press('g');
    await cleo.keyboard.press(key);
    await cleo.waitForURL(url + path);
    await cleo.waitForSelector(`main >> text=${text}`);
    await shot(cleo, path.slice(1));
  });
}
await check('the policy explains itself', async () => {
  await cleo.goto(url + '/policy');
  await cleo.fill('input[aria-label=Role]', 'viewer');
  const explain = async (sql) => {
    await cleo.fill('#sql', sql);
    const answer = cleo.waitForResponse('**/v1/policy/explain');
    await cleo.press('#sql', 'Control+Enter');
    await answer;
    await cleo.waitForSelector('#explained > *');
    return cleo.locator('#explained').innerText();
  };
  const read = await explain('SELECT v.id, upper(v.secret) AS x FROM vault v JOIN crown c ON c.id = v.id');
  await shot(cleo, 'policy');
  const drop = await explain('DROP TABLE crown');
  return (read.includes('public.vault.secret') && read.includes('computed from') && read.includes('mask') && read.includes('public.crown.id') && drop.includes('deny')
    && drop.includes('default')) || { read, drop };
});
await check('the record verifies', async () => {
  await cleo.goto(url + '/audit');
  await cleo.click('text=Verify now');
  await cleo.waitForSelector('text=whole');
  await shot(cleo, 'audit-verified');
});

await check('a broken record is not called whole', async () => {
  for (const [answer, word] of [[{ exit: 1, line: 'BAD event 7', first: 1, last: 9, bytes: 1, key: '', signed_to: 0 }, 'broken'], [{ exit: 2, line: 'no key' }, 'cannot be told'], [{ error: 'gone' }, 'gone']]) {
    await cleo.route('**/v1/verify', (r) => r.fulfill({ contentType: 'application/x-ndjson', body: JSON.stringify(answer) + '\n' }));
    await cleo.goto(url + '/audit');
    await cleo.click('text=Verify now');
    await cleo.waitForSelector(`main >> text=${word}`);
    if (await cleo.locator('.tag:has-text("whole")').count()) return answer;
    await cleo.unroute('**/v1/verify');
  }
});

const dora = await person('dora', phone);
await check('a phone shows a session without scrolling sideways', async () => {
  await login(dora, `/sessions/${session}`);
  await dora.waitForSelector('.line pre');
  await shot(dora, 'session-phone');
  return equal(await dora.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
});
for (const [path, there] of [['/sessions', '#sessions tr.go'], ['/workloads', '#workloads tr'], ['/policy', '#sql'], ['/audit', '#calls tr'], ['/node', '.stack tr'], [`/sessions/${session}`, '.line pre']]) {
  await check(`a phone shows ${path.slice(0, 10)} with nothing cut off`, async () => {
    await dora.goto(url + path);
    await dora.waitForSelector(there, { state: 'attached' });
    return equal(await dora.evaluate(() => [...document.querySelectorAll('nav a, main *')].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.rows, option'))
      .slice(0, 3).map((e) => e.outerHTML.slice(0, 120))), []);
  });
}
await check('an auditor has no button that changes anything', async () => equal(await dora.locator('text=Revoke').count(), 0));

// --- two people, two browsers, one of them a phone ---
const ben = await person('ben', phone);
await check('a request is in the inbox', async () => {
  await ada.goto(url + '/requests');
  await ada.waitForSelector(`a.req[href="/requests/${request.request}"]`);
  await shot(ada, 'inbox');
});
await check('its page shows all, inert, on a phone', async () => {
  await login(ben, `/requests/${request.request}`);
  await ben.waitForSelector('.vote');
  const all = await ben.locator('main').innerText();
  await shot(ben, 'request-phone');
  if (await ben.locator('main b:has-text("now")').count()) return 'markup';
  const wide = await ben.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  return (!wide && ['crew-7', 'pat@example.com', request.hash, 'U+202E', '<b>now</b>', 'not verified', 'lift', 'dba'].every((w) => all.includes(w))) || all;
});
await check('the requester\u2019s reason is not believed: a denial needs words', async () => {
  await ben.click('#deny');
  await ben.click('.vote button.bad');
  const focus = await ben.evaluate(() => document.activeElement.tagName);
  await ben.click('.vote >> text=Back');
  return equal(focus, 'TEXTAREA');
});
await check('a first approval is not enough, and shows in the other browser by itself', async () => {
  await ada.click(`a.req[href="/requests/${request.request}"]`);
  await ada.waitForSelector('#approve');
  await shot(ada, 'request');
  await ben.click('#approve');
  await ada.waitForSelector('text=1 of 2 dba');
  await ben.waitForSelector('text=1 of 2 dba');
});
await check('the same person does not count twice', async () => {
  await ben.click('#approve');
  await ben.waitForSelector('.vote p');
  return /voted|already/i.test(await ben.locator('.vote p').innerText()) || (await ben.locator('.vote').innerText());
});
await check('a second person\u2019s approval ends it, for both at once', async () => {
  await ada.click('#approve');
  await ada.waitForSelector('h1 ~ .tag:has-text("done")');
  await ben.waitForSelector('h1 ~ .tag:has-text("done")');
  await shot(ada, 'request-done');
});

await check('a foreign page can neither frame the console nor read from it', async () => {
  const page = await cleo.context().newPage();
  await page.route('https://elsewhere.example/**', (r) => r.fulfill({ contentType: 'text/html', body: `<iframe src="${url}/"></iframe>` }));
  await page.goto('https://elsewhere.example/');
  const read = await page.evaluate((u) => fetch(u + '/v1/me', { credentials: 'include' }).then((r) => r.status, () => 'blocked'), url);
  const write = await page.evaluate((u) => fetch(u + '/auth/logout', { method: 'POST', credentials: 'include', mode: 'no-cors' }).then(() => 'sent', () => 'blocked'), url);
  const framed = page.frames().some((f) => f.url().startsWith(url));
  await page.close();
  await cleo.reload();
  await cleo.waitForSelector('#nav a');
  return equal([read, framed], ['blocked', false]) === true && (write === 'sent' || write === 'blocked') ? true : { read, write, framed };
});
await check('nothing went wrong in any page', async () => equal(problems.filter((p) => !/elsewhere|frame-ancestors|CORS/i.test(p)), []));
await check('a logout ends it', async () => {
  await ada.click('text=Log out');
  await ada.waitForSelector('text=You are logged out');
  await ada.reload();
  await ada.waitForSelector('button:has-text("Log in")');
});
await browser.close();
