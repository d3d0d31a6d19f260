// A real browser (headless Chromium by playwright-core) and people before it, for the console's scripts. Prints a line a
// check: "ok what" or "FAIL what: why". Arguments: the folder of the modules, a JSON of what is there (url, ...).
// SHOTS: a folder for pictures.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [, , modules, text] = process.argv;
const require = createRequire(pathToFileURL(modules + '/'));
const { chromium } = require('playwright-core');
export const given = JSON.parse(text);
const { url } = given;
export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
export const problems = [];
export const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

export async function check(what, f) {
  try {
    const why = await f();
    if (why === undefined || why === true) console.log(`ok ${what}`);
    else console.log(`FAIL ${what}: ${JSON.stringify(why)}`);
  } catch (e) {
    console.log(`FAIL ${what}: ${String(e.message).split('\n').slice(0, 6).join(' | ')}`);
  }
}
export const equal = (got, want) => (JSON.stringify(got) === JSON.stringify(want) ? true : { got, want });

export async function person(name, options = {}) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on('console', (m) => { if (m.type() === 'error' && !/401|403|404|409|NAME_NOT_RESOLVED|NETWORK_CHANGED/.test(m.text())) problems.push(`${name}: ${m.text()}`); });
  page.on('pageerror', (e) => problems.push(`${name}: ${e.message}`));
  page.on('dialog', (d) => { problems.push(`${name}: a dialog: ${d.message()}`); d.dismiss(); });
  page.who = name;
  // Other tests on this machine make and remove network namespaces: Chromium breaks off what is on its way.
  const visit = page.goto.bind(page);
  page.goto = async (where) => {
    for (let i = 0; ; i++) {
      try {
        return await visit(where);
      } catch (e) {
        if (i > 4 || !/NETWORK_CHANGED/.test(e.message)) throw e;
      }
    }
  };
  return page;
}

export async function provider(page) {
  for (let i = 0; i < 3 && !page.url().startsWith(url); i++) {
    if (await page.locator('input[name=login]').count()) {
      await page.fill('input[name=login]', page.who);
      await page.fill('input[name=password]', 'x');
    }
    await page.click('button[type=submit]');
    await page.waitForLoadState();
  }
}

export async function login(page, path = '/') {
  await page.goto(url + path);
  await page.click('text=Log in');
  await page.waitForURL((u) => !String(u).startsWith(url));
  await provider(page);
  await page.waitForSelector('#nav a');
}

export const shot = async (page, name) => { if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true }); };
