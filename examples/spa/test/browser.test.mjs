// What a parent does, in a real browser, against a real API.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { installedBrowser, isAccessible, shot, start, watchedPage } from "./demo.mjs";
import { testDocumentation } from "./documentation.mjs";

if (!installedBrowser()) {
  console.log("SKIPPED: no Chromium or Chrome here; CHROMIUM=… names one. On Debian: apt-get install chromium");
  process.exit(0);
}

let demo, context, page, isClean;

before(async () => {
  demo = await start();
  context = await demo.browser.newContext({ viewport: { width: 1100, height: 800 }, permissions: ["clipboard-read", "clipboard-write"] });
  ({ page, isClean } = await watchedPage(context, demo.appUrl));
  page.setDefaultTimeout(10_000);
});
after(async () => demo?.end());

const heading = (name) => page.getByRole("heading", { level: 1, name }).waitFor();
const button = (name) => page.getByRole("button", { name, exact: true });

async function logIn({ username, password }) {
  await page.getByLabel("Nom d’utilisateur").fill(username);
  await page.getByLabel("Mot de passe", { exact: true }).fill(password);
  await button("Se connecter").click();
}

/** Call the API beside the app. */
async function call(method, path, token, body) {
  const response = await fetch(demo.facts.url + path, {
    method,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.status === 204 ? null : response.json();
}

async function tokenOf({ username, password }) {
  const body = new URLSearchParams({ grant_type: "password", username, password });
  return (await (await fetch(`${demo.facts.url}/v1/auth/token`, { method: "POST", body })).json()).access_token;
}

test("the page's policy is strict", async () => {
  const response = await page.goto(demo.appUrl);
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
});

test("a wrong password is told aloud, in French", async () => {
  await heading("Connexion");
  assert.equal(await page.evaluate(() => document.documentElement.lang), "fr");
  await isAccessible(page);
  await shot(page, "1-login");
  await logIn({ username: demo.facts.parent.username, password: "not this one" });
  const alert = page.getByRole("alert");
  await alert.filter({ hasText: /mot de passe/i }).waitFor();
  await isAccessible(page, ["light"]);
  await shot(page, "2-refused");
});

test("the keyboard alone logs in, in the order of the page", async () => {
  await page.reload();
  await heading("Connexion");
  const seen = [];
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press("Tab");
    seen.push(await page.evaluate(() => document.activeElement.name || document.activeElement.textContent));
    if (seen.at(-1) === "username") await page.keyboard.type(demo.facts.parent.username);
    if (seen.at(-1) === "password") {
      await page.keyboard.type(demo.facts.parent.password);
      await page.keyboard.press("Enter");
      break;
    }
  }
  assert.deepEqual(seen.slice(-2), ["username", "password"]);
  await heading(/^Bonjour/);
});

test("the refresh token is in a cookie that scripts cannot read", async () => {
  const cookie = (await context.cookies()).find(({ name }) => name === "__Host-refresh");
  assert.equal(cookie?.httpOnly, true);
  assert.equal(await page.evaluate(() => document.cookie), "");
  await page.reload();
  await heading(/^Bonjour/);
});

test("the first page shows the children's wallets, in four languages", async () => {
  await page.getByRole("heading", { level: 3, name: /Clément/ }).waitFor();
  assert.ok((await page.getByRole("link", { name: /^Recharger/ }).count()) >= 2);
  await shot(page, "3-home");
  for (const [language, greeting] of [["nl", /^Dag/], ["de", /^Guten Tag/], ["en", /^Hello/], ["fr", /^Bonjour/]]) {
    await page.locator(".tools select").selectOption(language);
    await heading(greeting);
    assert.equal(await page.evaluate(() => document.documentElement.lang), language);
    await isAccessible(page, language === "fr" ? ["light", "dark"] : ["light"]);
  }
});

test("a wallet is topped up by the QR code, or by copying", async () => {
  await page.getByRole("link", { name: /^Recharger/ }).first().click();
  await heading("Recharger le portefeuille");
  const code = page.getByAltText("Code QR de paiement");
  await code.waitFor();
  await page.waitForFunction(() => document.querySelector(".code").naturalWidth > 0);
  for (const [name, form] of [["Communication", /^\+\+\+\d{3}\/\d{4}\/\d{5}\+\+\+$/], ["IBAN", /^BE\d{14}$/]]) {
    await button(`Copier : ${name}`).click();
    await page.getByRole("status").filter({ hasText: `${name} copié` }).waitFor();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), form);
  }
  await isAccessible(page);
  await shot(page, "4-top-up");
});

test("an invoice is paid from a wallet", async () => {
  await page.getByRole("link", { name: "Factures" }).click();
  await heading("Factures");
  await isAccessible(page);
  await shot(page, "5-invoices");
  await page.getByRole("row").filter({ hasText: "À payer" }).last().getByRole("link").click();
  await heading(/^Facture F-/);
  await button("Copier : Montant").click();
  await page.getByRole("status").filter({ hasText: "Montant copié" }).waitFor();
  assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^\d+,\d\d$/);
  await isAccessible(page);
  await shot(page, "6-invoice");
  await button("Payer").click();
  await page.getByRole("status").filter({ hasText: "Le paiement est enregistré" }).waitFor();
  await page.locator(".badge").filter({ hasText: /^Payée/ }).waitFor();
  await isAccessible(page);
  await shot(page, "7-paid");
});

test("an invoice is downloaded as a PDF", async () => {
  const [download] = await Promise.all([page.waitForEvent("download"), button("Télécharger le PDF").click()]);
  assert.match(download.suggestedFilename(), /^F-\d{4}-\d+\.pdf$/);
  assert.equal((await readFile(await download.path())).subarray(0, 5).toString(), "%PDF-");
});

test("on a phone nothing is wider than the screen", async () => {
  await page.setViewportSize({ width: 320, height: 640 });
  for (const [place, title] of [["#", /^Bonjour/], ["#invoices", "Factures"]]) {
    await page.goto(`${demo.appUrl}/${place}`);
    await heading(title);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 320);
    await isAccessible(page, ["light"]);
    await shot(page, `8-phone${place === "#" ? "" : "-invoices"}`);
  }
  await page.setViewportSize({ width: 1100, height: 800 });
});

test("who logs out is out, and what comes late is not shown", async () => {
  let late;
  const came = new Promise((resolve) => (late = resolve));
  await page.route("**/v1/dashboard", async (route) => {
    const response = await route.fetch();
    await new Promise((done) => setTimeout(done, 1500));
    await route.fulfill({ response });
    late();
  });
  await page.goto(`${demo.appUrl}/#`);
  await page.reload();
  await button("Se déconnecter").click();
  await heading("Connexion");
  await came;
  await page.waitForTimeout(200);
  await heading("Connexion");
  assert.equal(await page.getByRole("heading", { level: 3 }).count(), 0);
  await page.unroute("**/v1/dashboard");
  await page.reload();
  await heading("Connexion");
  assert.deepEqual(await context.cookies(), []);
});

test("a code of the second factor is asked for where there is one", async () => {
  const token = await tokenOf(demo.facts.teacher);
  const { secret } = await call("POST", "/v1/me/second-factor", token, { current_password: demo.facts.teacher.password });
  const { recovery_codes } = await call("POST", "/v1/me/second-factor/confirmation", token, { otp: await totp(secret) });
  await logIn(demo.facts.teacher);
  const code = page.getByLabel("Code de votre application");
  await code.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), "otp");
  await isAccessible(page);
  await shot(page, "9-code");
  await code.fill(recovery_codes[0]);
  await button("Se connecter").click();
  await heading(/^Bonjour/);
  await page.getByText("faite pour les parents").waitFor();
  await button("Se déconnecter").click();
});

test("a login token from an e-mail lets somebody in who has no password", async () => {
  await page.getByRole("link", { name: /^Première connexion/ }).click();
  await heading("Première connexion");
  await isAccessible(page);
  await shot(page, "10-first");
  const { email } = await call("GET", "/v1/me", await tokenOf(demo.facts.parent));
  await page.getByLabel("Adresse e-mail").fill(email);
  await button("Envoyer un jeton").click();
  await page.getByRole("status").filter({ hasText: "un jeton y est envoyé" }).waitFor();
  await page.getByLabel("Jeton de connexion").fill(await mailedToken());
  await button("Continuer").click();
  await heading("Choisir un mot de passe");
  await isAccessible(page, ["light"]);
  await page.getByLabel("Nouveau mot de passe").fill("quatre pommes vertes sur la table");
  await button("Enregistrer").click();
  await heading(/^Bonjour/);
  await button("Se déconnecter").click();
  await heading("Connexion");
});

test("nothing was asked of another origin, and nothing was forbidden", async () => isClean());

testDocumentation(() => demo);

/** Return the token of the newest mail, once it is there. */
async function mailedToken() {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const { items } = await (await fetch(demo.facts.mails)).json();
    const text = items.length ? await (await fetch(new URL(items[0].url, demo.facts.url))).text() : "";
    const found = /#token=([\w%.-]+)/.exec(text);
    if (found) return decodeURIComponent(found[1]);
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error("no mail came");
}

/** Return the code of now (RFC 6238). */
async function totp(secret) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Uint8Array.from(bits.match(/.{8}/g), (byte) => Number.parseInt(byte, 2));
  const counter = new DataView(new ArrayBuffer(8));
  counter.setUint32(4, Math.floor(Date.now() / 30_000));
  const hmac = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-1" }, false, ["sign"]);
  const hash = new DataView(await crypto.subtle.sign("HMAC", hmac, counter.buffer));
  const at = hash.getUint8(19) & 15;
  return String((hash.getUint32(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
