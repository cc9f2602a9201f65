// Opens the console in a real browser: login by a link, accessibility in light and dark and at phone width, requests,
// what the keyboard does, and whether a probe in what a caller sends becomes more than text. Prints one JSON object.
//
//   node console.mjs CHROMIUM LOGIN_LINK REQUEST_ID [FOLDER_FOR_PICTURES]
import { describe, inspect, launch, newPage } from "./browser.mjs";

const [chromium, link, id, pictures] = process.argv.slice(2);
const base = new URL(link).origin;
const problems = [];
const seen = {};
let checked = 0;

const browser = await launch(chromium);

async function open(path, view = {}) {
  const where = describe(path, view);
  const page = await newPage(browser, base, where, view, problems);
  page.on("dialog", async (dialog) => {
    problems.push(`${where}: a probe ran: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await page.goto(path.startsWith("http") ? path : base + path, { waitUntil: "load" });
  return [page, where];
}

// Without a session every page leads to the login.
{
  const [page] = await open("/errors");
  seen.without = new URL(page.url()).pathname;
  await page.close();
}
// The link works once.
{
  const [page] = await open(link);
  await page.waitForSelector("table.live");
  seen.login = new URL(page.url()).pathname;
  seen.rows = await page.$$eval("table.live tbody tr", (rows) => rows.length);
  await page.close();
  const other = await browser.createBrowserContext();
  const again = await other.newPage();
  await again.goto(link, { waitUntil: "load" });
  await again.waitForFunction(() => document.body.textContent.includes("used before"));
  seen.again = new URL(again.url()).pathname;
  await other.close();
}

for (const path of ["/", "/?class=auth", `/request?id=${id}`, "/request", "/errors", "/errors?range=24h", "/accounts"]) {
  for (const [name, view] of [["light", {}], ["dark", { dark: true }], ["phone", { width: 390 }]]) {
    const [page, where] = await open(path, view);
    await inspect(page, where, problems);
    if (await page.$("[data-probe]")) problems.push(`${where}: a probe became an element`);
    if (pictures) {
      const file = path.replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "live";
      await page.screenshot({ path: `${pictures}/${file}-${name}.png` });
    }
    checked++;
    await page.close();
  }
}

// By keyboard: paste, and read what happened.
{
  const [page] = await open("/request");
  await page.keyboard.press("Tab");
  seen.skip = await page.evaluate(() => document.activeElement.className);
  await page.keyboard.press("/");
  seen.focused = await page.evaluate(() => document.activeElement.id);
  await page.keyboard.type(`x-request-id: req_${id} and a key sk_live_0123456789abcdefghijkl`);
  await page.keyboard.press("Tab");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  seen.address = page.url();
  seen.explained = await page.$eval(".verdict .id", (line) => line.textContent.includes(location.search.slice(4)));
  seen.kept = await page.evaluate(() => document.documentElement.outerHTML.includes("sk_live_"));
  await page.close();
}
// By keyboard: filter the rejections.
{
  const [page] = await open("/");
  await page.keyboard.press("/");
  await page.keyboard.type(id);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  seen.filtered = await page.$$eval("table.live tbody tr", (rows) => rows.length);
  await page.close();
}

await browser.close();
console.log(JSON.stringify({ problems, checked, seen }));
