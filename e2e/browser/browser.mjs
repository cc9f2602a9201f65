// What the scripts for a real browser share: opening pages, and what holds for each of them.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import puppeteer from "puppeteer-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const launch = (chromium) => puppeteer.launch({
  executablePath: chromium,
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"],
});

// A page, which reports what goes wrong in it and each request to another origin.
export async function newPage(browser, origin, where, { dark = false, width = 1280 }, problems) {
  const page = await browser.newPage();
  page.on("console", (message) => {
    if (["error", "warn"].includes(message.type())) problems.push(`${where}: console: ${message.text()}`);
  });
  page.on("pageerror", (error) => problems.push(`${where}: script: ${error.message}`));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith("http") && url.origin !== origin) problems.push(`${where}: requests ${request.url()}`);
  });
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  return page;
}

export const describe = (path, { dark = false, width = 1280 }) => `${path} (${dark ? "dark" : "light"}, ${width})`;

// Accessibility, and whether the page fits its window.
export async function inspect(page, where, problems) {
  // Evaluated by the debugger, which the policy of the page does not concern.
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  for (const violation of result.violations) {
    const nodes = violation.nodes.slice(0, 3).map((node) => node.target.join(" "));
    problems.push(`${where}: ${violation.id}: ${violation.help}: ${nodes.join(", ")}`);
  }
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  if (wide) problems.push(`${where}: scrolls sideways`);
}
