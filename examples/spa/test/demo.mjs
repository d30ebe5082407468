// A demonstration of its own, the built app in front of it, and a headless Chromium.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { preview } from "vite";

const ROOT = resolve(import.meta.dirname, "../../..");
const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** Return the browser that this machine has, or undefined. `CHROMIUM` names another. */
export function installedBrowser() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const found = BROWSERS.map((name) => spawnSync("sh", ["-c", `command -v ${name}`]).stdout.toString().trim());
  return found.find(Boolean);
}

/** Start everything; `end` ends it. */
export async function start() {
  const folder = await mkdtemp(join(tmpdir(), "itschool-demo-"));
  const program = join(ROOT, ".venv/bin/itschool");
  const demo = spawn(program, ["demo", "--port", "0", "--data-dir", folder, "--json"], {
    stdio: ["ignore", "pipe", process.env.DEMO_LOG ? "inherit" : "ignore"],
  });
  const [line] = await Promise.race([
    createInterface(demo.stdout)[Symbol.asyncIterator]().next().then(({ value }) => [value]),
    new Promise((_, reject) => demo.once("exit", (code) => reject(new Error(`the demonstration ended: ${code}`)))),
  ]);
  const facts = JSON.parse(line);
  process.env.ITSCHOOL_URL = facts.url;
  const app = await preview({ root: resolve(import.meta.dirname, ".."), preview: { port: 0, strictPort: false } });
  const browser = await chromium.launch({
    executablePath: installedBrowser(),
    // Chromium has no sandbox for root, as which containers often run.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  return {
    facts,
    browser,
    appUrl: app.resolvedUrls.local[0].replace(/\/$/, ""),
    async end() {
      await browser.close();
      await app.close();
      demo.removeAllListeners("exit");
      const gone = new Promise((done) => demo.once("exit", done));
      demo.kill("SIGINT");
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Open a page that remembers what it must never do. */
export async function watchedPage(context, origin) {
  const page = await context.newPage();
  const faults = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin && !["blob:", "data:"].includes(url.protocol)) faults.push(`asked ${request.url()}`);
  });
  page.on("console", (message) => {
    if (/content security policy|trusted/i.test(message.text())) faults.push(message.text());
  });
  page.on("pageerror", (error) => faults.push(`threw ${error}`));
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", (event) => {
      globalThis.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
  });
  return {
    page,
    async isClean() {
      faults.push(...(await page.evaluate(() => globalThis.violations)));
      assert.deepEqual(faults, []);
    },
  };
}

/** Let axe-core look at a page, in daylight and in the dark. */
export async function isAccessible(page, schemes = ["light", "dark"]) {
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(
      violations.map(({ id, nodes }) => `${colorScheme}: ${id} ${nodes.map(({ html }) => html).join(" ")}`),
      [],
    );
  }
  await page.emulateMedia({ colorScheme: "light" });
}

/** Keep a picture of a page, where `SHOTS` names a folder. */
export async function shot(page, name) {
  if (process.env.SHOTS) await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), fullPage: true });
}
