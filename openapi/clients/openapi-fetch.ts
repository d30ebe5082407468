// What a client of openapi-fetch looks like: it has no generated code to compile, only the types.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

const api = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });

export async function walletsOf(token: string): Promise<number> {
  const { data, error } = await api.GET("/v1/wallets", {
    headers: { Authorization: `Bearer ${token}` },
    params: { query: { limit: 50 } },
  });
  if (error) throw new Error(error.title);
  return data.items.reduce((sum, wallet) => sum + wallet.balance_cents, 0);
}

export async function pay(invoiceId: string, wallet_id: string): Promise<string> {
  const body: components["schemas"]["WalletPayment"] = { wallet_id };
  const { data, error } = await api.POST("/v1/invoices/{invoice_id}/payments", {
    params: { path: { invoice_id: invoiceId }, header: { "Idempotency-Key": "k-20260101" } },
    body,
  });
  if (error) throw new Error(error.title);
  return data.status;
}
