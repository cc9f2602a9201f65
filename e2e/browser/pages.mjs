// Opens reference pages in a real browser: accessibility in light and dark and at phone width, requests, console, and
// what the keyboard does. Prints one JSON object: { problems: [...], checked: number, keyboard: {...} }.
//
//   node pages.mjs CHROMIUM BASE PAGE...
import { describe, inspect, launch, newPage } from "./browser.mjs";

const [chromium, base, ...pages] = process.argv.slice(2);
const origin = new URL(base).origin;
const problems = [];
let checked = 0;

const browser = await launch(chromium);

async function open(path, view = {}) {
  const where = describe(path, view);
  const page = await newPage(browser, origin, where, view, problems);
  page.on("requestfailed", (request) => problems.push(`${where}: failed: ${request.url()}`));
  const response = await page.goto(base + path, { waitUntil: "load" });
  if (!response.ok()) problems.push(`${where}: ${response.status()}`);
  return [page, where];
}

for (const path of pages) {
  for (const view of [{}, { dark: true }, { width: 390 }]) {
    const [page, where] = await open(path, view);
    await inspect(page, where, problems);
    checked++;
    await page.close();
  }
}

// The keyboard.
const keyboard = {};
{
  // The second page is the overview of the API of the first.
  const folder = pages[1].replace(/[^/]*$/, "");
  const [page] = await open(`${folder}errors.html`);
  await page.keyboard.press("Tab");
  keyboard.skip = await page.evaluate(() => document.activeElement.className);
  await page.keyboard.press("/");
  await page.keyboard.type("429");
  keyboard.filtered = await page.$$eval("tr[data-status]", (rows) => rows.filter((row) => !row.hidden).map((row) => row.dataset.status));
  keyboard.fragment = await page.evaluate(() => location.hash);
  keyboard.first = await page.$eval("tr[data-status]:not([hidden]) a", (link) => link.textContent);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  keyboard.opened = await page.$eval("h1", (heading) => heading.textContent);
  await page.close();

  const [filter] = await open(`${folder}errors.html#status=401`);
  keyboard.facet = await filter.$$eval("tr[data-status]", (rows) => rows.filter((row) => !row.hidden).map((row) => row.dataset.status));
  await filter.focus("#q");
  await filter.keyboard.type("no such error");
  keyboard.none = await filter.$eval("[data-none]", (none) => !none.hidden);
  await filter.keyboard.press("Escape");
  keyboard.cleared = await filter.$eval("#q", (field) => field.value);
  await filter.close();

  const [search] = await open(`${folder}search.html`);
  await search.keyboard.press("/");
  await search.keyboard.type("retry-after");
  keyboard.found = await search.$$eval("#search-results a", (links) => links.length);
  await Promise.all([search.waitForNavigation(), search.keyboard.press("Enter")]);
  keyboard.searched = await search.$$eval("h1", (headings) => headings.length);
  await search.close();

  const [tabs] = await open(pages[0]);
  await tabs.focus("#lang-curl");
  await tabs.keyboard.press("ArrowRight");
  keyboard.tab = await tabs.evaluate(() => document.querySelector("[name=lang]:checked").value);
  await tabs.reload();
  keyboard.remembered = await tabs.evaluate(() => document.querySelector("[name=lang]:checked").value);
  await tabs.focus("[data-theme-button]");
  await tabs.keyboard.press("Space");
  keyboard.theme = await tabs.evaluate(() => document.documentElement.dataset.theme);
  await tabs.close();
}

await browser.close();
console.log(JSON.stringify({ problems, checked, keyboard }));
