// The API's own pages: trying things at /docs, reading at /reference.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isAccessible, shot, watchedPage } from "./demo.mjs";

export function testDocumentation(demo) {
  /** Open one of the API's pages, let `act` use it, and see that it did nothing that it must not. */
  async function on(path, act) {
    const { facts, browser } = demo();
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const { page, isClean } = await watchedPage(context, facts.url);
    page.setDefaultTimeout(30_000);
    const response = await page.goto(facts.url + path);
    const policy = response.headers()["content-security-policy"];
    assert.match(policy, /default-src 'none'/);
    assert.doesNotMatch(policy, /script-src[^;]*unsafe|\*|https?:/);
    await act(page, facts, policy);
    await isClean();
    await context.close();
  }

  test("/docs: Authorize logs in, and /v1/me answers", () =>
    on("/docs", async (page, { accountant }) => {
      await page.getByRole("button", { name: "Authorize" }).first().click();
      const dialog = page.locator(".auth-container").filter({ has: page.locator("#oauth_username") });
      await dialog.locator("#oauth_username").fill(accountant.username);
      await dialog.locator("#oauth_password").fill(accountant.password);
      await dialog.locator(".auth-btn-wrapper .authorize").click();
      await page.locator(".auth-container").getByText("Logout").waitFor();
      await shot(page, "docs-1-authorized");
      await page.getByRole("button", { name: "Close" }).last().click();
      const operation = page.locator("#operations-school-read_me");
      await page.locator("#operations-tag-school").click();
      await operation.locator(".opblock-summary-control").click();
      const answer = page.waitForResponse((response) => response.url().endsWith("/v1/me"));
      await operation.getByRole("button", { name: "Execute" }).click();
      assert.equal((await answer).status(), 200);
      await operation.locator(".live-responses-table").getByText(accountant.username).first().waitFor();
      await shot(page, "docs-2-me");
    }));

  test("/reference: every operation is there to read, without scripts", () =>
    on("/reference", async (page, { url }, policy) => {
      assert.doesNotMatch(policy, /script-src|unsafe/);
      const { paths } = await (await fetch(`${url}/openapi.json`)).json();
      const operations = Object.values(paths).flatMap((path) => Object.values(path));
      const missing = await page.evaluate(
        (ids) => ids.filter((id) => !document.getElementById(id)), operations.map(({ operationId }) => operationId));
      assert.deepEqual(missing, []);
      const dangling = await page.evaluate(() =>
        [...document.querySelectorAll('a[href^="#"]')].map((link) => link.hash.slice(1)).filter((id) => !document.getElementById(id)));
      assert.deepEqual(dangling, []);
      await page.getByRole("navigation").getByText("wallets", { exact: true }).click();
      await page.getByRole("link", { name: "List Wallets" }).click();
      await page.getByRole("heading", { name: "List Wallets" }).waitFor();
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/reference.png` });
      await page.setViewportSize({ width: 320, height: 640 });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
      // All entries are alike, and axe-core takes a minute for all of them.
      await page.evaluate(() => [...document.querySelectorAll("article")].slice(12).forEach((each) => each.remove()));
      await page.locator("article summary").first().click();
      await isAccessible(page);
    }));
}
