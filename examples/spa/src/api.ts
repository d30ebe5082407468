// Speaks to the API. The access token lives in memory alone; the refresh token in a cookie that no
// script can read (`transport: "cookie"`), so a reload or a new tab goes on where one was.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Dashboard = Schemas["Dashboard"];
export type Invoice = Schemas["Invoice"];
export type InvoiceDetails = Schemas["InvoiceDetails"];
export type Me = Schemas["Me"];
export type Operation = Schemas["Operation"];
export type PaymentDetails = Schemas["PaymentDetails"];
export type Problem = Schemas["Problem"];
export type Wallet = Schemas["Wallet"];

/** What the API refused, in the caller's language. */
export class Refused extends Error {
  readonly code: string;

  constructor(problem: Problem) {
    const details = problem.errors?.map((fault) => fault.detail).join(" ");
    super([problem.title, problem.detail ?? details].filter(Boolean).join(" "));
    // The last part of `type` is a stable code.
    this.code = problem.type.split("/").pop() ?? "";
  }
}

// Only that there is a session: it spares those who never logged in a refused request.
const REMEMBERED = "itschool.session";
const BY_SCRIPT = { "X-Requested-With": "fetch" };

let language = "fr";
let accessToken: string | null = null;
let refreshing: Promise<boolean> | null = null;
let onEnd: () => void = () => {};

export const speak = (chosen: string): void => void (language = chosen);
export const whenSessionEnds = (act: () => void): void => void (onEnd = act);
export const isLoggedIn = (): boolean => accessToken !== null;

function headed(request: Request): Request {
  const copy = new Request(request.clone());
  copy.headers.set("Accept-Language", language);
  if (accessToken && !copy.headers.has("Authorization")) {
    copy.headers.set("Authorization", `Bearer ${accessToken}`);
  }
  return copy;
}

/** Send a request; where the access token ended, get the next one and send it again, once. */
async function send(request: Request): Promise<Response> {
  const response = await fetch(headed(request));
  if (response.status !== 401 || !accessToken || request.headers.has("Authorization")) return response;
  if (await refresh()) return fetch(headed(request));
  end();
  return response;
}

const api = createClient<paths>({ baseUrl: location.origin, fetch: send });
const open = createClient<paths>({ baseUrl: location.origin, fetch: (request) => fetch(headed(request)) });

/** Return what an operation answered; throws `Refused`. */
function taken<T>(outcome: { data?: T; error?: Problem | undefined; response: Response }): T {
  if (outcome.error) throw new Refused(outcome.error);
  if (!outcome.response.ok) throw new Error(outcome.response.statusText);
  return outcome.data as T;
}

function begin(pair: Schemas["TokenPair"]): void {
  accessToken = pair.access_token;
  localStorage.setItem(REMEMBERED, "1");
}

function end(): void {
  accessToken = null;
  localStorage.removeItem(REMEMBERED);
  onEnd();
}

function token(fields: Omit<Schemas["TokenRequest"], "scope" | "transport"> & { transport?: "cookie" }) {
  return open.POST("/v1/auth/token", {
    params: { header: BY_SCRIPT },
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: fields as Schemas["TokenRequest"],
    bodySerializer: (body) =>
      new URLSearchParams(Object.entries(body).flatMap(([name, value]) => (value ? [[name, String(value)]] : []))),
  });
}

export async function logIn(username: string, password: string, otp?: string): Promise<void> {
  begin(taken(await token({ grant_type: "password", username, password, otp: otp ?? null, transport: "cookie" })));
}

/** Get the next access token by the cookie; tabs and requests that ask together ask once. */
export function refresh(schoolId?: string): Promise<boolean> {
  refreshing ??= (async () => {
    const { data } = await token({ grant_type: "refresh_token", school_id: schoolId ?? null });
    if (data) begin(data);
    return data !== undefined;
  })().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

export async function resume(): Promise<boolean> {
  if (!localStorage.getItem(REMEMBERED)) return false;
  if (await refresh()) return true;
  localStorage.removeItem(REMEMBERED);
  return false;
}

export async function sendLoginToken(email: string): Promise<void> {
  taken(await open.POST("/v1/auth/login-tokens", { body: { email } }));
}

/** Exchange a login token for the right to set a password, once; `setPassword` logs in then. */
export async function redeem(loginToken: string): Promise<string> {
  return taken(await open.POST("/v1/auth/login-tokens/redeem", { body: { token: loginToken } })).access_token;
}

export async function setPassword(restricted: string, newPassword: string, otp?: string): Promise<void> {
  const pair = await open.PUT("/v1/me/password", {
    headers: { Authorization: `Bearer ${restricted}` },
    body: { new_password: newPassword, otp: otp ?? null, transport: "cookie" },
  });
  begin(taken(pair));
}

export async function logOut(): Promise<void> {
  await api.POST("/v1/auth/logout");
  end();
}

export const readMe = async (): Promise<Me> => taken(await api.GET("/v1/me"));
export const readDashboard = async (): Promise<Dashboard> => taken(await api.GET("/v1/dashboard"));

export async function readWallet(wallet_id: string) {
  const path = { params: { path: { wallet_id } } };
  const [wallet, operations] = await Promise.all([
    api.GET("/v1/wallets/{wallet_id}", path),
    api.GET("/v1/wallets/{wallet_id}/operations", path),
  ]);
  return { wallet: taken(wallet), operations: taken(operations).items };
}

export async function listWallets(): Promise<Wallet[]> {
  return taken(await api.GET("/v1/wallets", { params: { query: { limit: 100 } } })).items;
}

export async function listInvoices(cursor?: string) {
  return taken(await api.GET("/v1/invoices", { params: { query: { limit: 20, ...(cursor ? { cursor } : {}) } } }));
}

export async function readInvoice(invoice_id: string): Promise<InvoiceDetails> {
  return taken(await api.GET("/v1/invoices/{invoice_id}", { params: { path: { invoice_id } } }));
}

/** Pay from a wallet. The same `key` again has no second effect, so a lost answer may be asked again. */
export async function payInvoice(
  invoice_id: string, wallet_id: string, amount_cents: number, key: string,
): Promise<InvoiceDetails> {
  return taken(
    await api.POST("/v1/invoices/{invoice_id}/payments", {
      params: { path: { invoice_id }, header: { "Idempotency-Key": key } },
      body: { wallet_id, amount_cents },
    }),
  );
}

/** What a transfer needs, and the same as the QR code that banking apps scan. */
export async function readPayment(of: { wallet_id: string } | { invoice_id: string }) {
  const read = async (accept: string, parseAs: "json" | "blob") =>
    "wallet_id" in of
      ? api.GET("/v1/wallets/{wallet_id}/top-up", { params: { path: of }, headers: { Accept: accept }, parseAs })
      : api.GET("/v1/invoices/{invoice_id}/payment", { params: { path: of }, headers: { Accept: accept }, parseAs });
  const [details, code] = await Promise.all([read("application/json", "json"), read("image/svg+xml", "blob")]);
  return { details: taken(details) as PaymentDetails, code: taken(code) as Blob };
}

export async function readPdf(invoice_id: string): Promise<Blob> {
  const file = await api.GET("/v1/invoices/{invoice_id}/pdf", { params: { path: { invoice_id } }, parseAs: "blob" });
  return taken(file) as Blob;
}
