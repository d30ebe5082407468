// The pages of somebody who is logged in. Each reads what it shows, then shows it, if it is still
// wanted: an answer that comes late belongs to a page that was left, or to who has logged out.

import * as api from "./api";
import { field, form, h } from "./dom";
import { begun, complain, hush, show, tell, trying } from "./page";
import { payment } from "./payment";
import { day, instant, money, words } from "./words";

type Wanted = () => boolean;

const nameOf = (wallet: api.Wallet): string => `${wallet.student.first_name} ${wallet.student.last_name}`;

const imported = (until: string | null): HTMLElement | null =>
  until ? h("p", { className: "hint" }, `${words().importedUntil} ${day(until)}.`) : null;

function walletsOf(wallets: api.Wallet[]): HTMLElement[] {
  const byStudent = Map.groupBy(wallets, (wallet) => wallet.student.id);
  return [...byStudent.values()].map((theirs) =>
    h("section", { className: "card" },
      h("h3", {}, theirs[0] ? nameOf(theirs[0]) : ""),
      h("ul", { className: "wallets" }, ...theirs.map((wallet) =>
        h("li", {},
          h("span", { className: "name" }, wallet.compartment.name),
          h("strong", { className: wallet.balance_cents < 0 ? "money low" : "money" }, money(wallet.balance_cents)),
          wallet.closed
            ? h("span", { className: "hint" }, words().closed)
            : h("a", {
                className: "button", href: `#wallets/${wallet.id}`,
                attrs: { "aria-label": `${words().topUp} : ${nameOf(wallet)}, ${wallet.compartment.name}` },
              }, words().topUp),
        ))),
    ));
}

export async function showHome(me: api.Me, wanted: Wanted): Promise<void> {
  if (!me.scopes.includes("wallets:read")) {
    show(`${words().hello} ${me.first_name}`, h("p", {}, words().forParents));
    return;
  }
  const { wallets, invoices, events, imported_until } = await api.readDashboard();
  if (!wanted()) return;
  const ofWhen = (event: api.Dashboard["events"][number]): string =>
    event.begins_at ? instant(event.begins_at) : event.begins_on ? day(event.begins_on) : "";
  show(
    `${words().hello} ${me.first_name}`,
    wallets.length > 0 && h("section", {},
      h("h2", {}, words().wallets),
      h("div", { className: "cards" }, ...walletsOf(wallets)),
      imported(imported_until),
    ),
    h("section", { className: "card" },
      h("h2", {}, words().toPay),
      ...(invoices.count
        ? [
            h("p", { className: "sum" },
              h("strong", { className: "money" }, money(invoices.remaining_cents)),
              ` ${words().invoicesToPay(invoices.count)}`),
            invoices.next_due_on && h("p", {}, `${words().nextDue} ${day(invoices.next_due_on)}`),
            invoices.overdue_count > 0 && h("p", { className: "low" }, words().overdueOnes(invoices.overdue_count)),
            h("a", { className: "button primary", href: "#invoices" }, words().seeInvoices),
          ]
        : [h("p", {}, words().nothingToPay)]),
    ),
    h("section", { className: "card" },
      h("h2", {}, words().events),
      events.length
        ? h("ul", { className: "events" }, ...events.map((event) =>
            h("li", {},
              h("h3", {}, event.title),
              h("p", { className: "hint" }, [ofWhen(event), event.place].filter(Boolean).join(" · ")),
              h("p", {}, event.text),
            )))
        : h("p", {}, words().noEvents),
    ),
  );
}

export async function showWallet(id: string, wanted: Wanted): Promise<void> {
  const [{ wallet, operations }, { details, code }] = await Promise.all([
    api.readWallet(id), api.readPayment({ wallet_id: id }),
  ]);
  if (!wanted()) return;
  show(
    words().topUpTitle,
    h("p", {}, `${nameOf(wallet)}, ${wallet.compartment.name} · ${words().balance} `,
      h("strong", { className: "money" }, money(wallet.balance_cents))),
    h("section", { className: "card" },
      h("h2", {}, words().payTitle), h("p", {}, words().scan), payment(details, code), imported(wallet.imported_until)),
    h("section", { className: "card" },
      h("h2", {}, words().operations),
      operations.length
        ? table([words().date, words().kind, words().amount, words().balance], operations.map((operation) => [
            day(operation.booked_on), words().kinds[operation.kind],
            money(operation.amount_cents), money(operation.balance_cents),
          ]), 2)
        : h("p", {}, words().noOperations)),
    h("p", {}, h("a", { href: "#" }, words().back)),
  );
}

/** A table whose columns from `numbers` on are of numbers; on a phone each row becomes a block. */
function table(heads: string[], rows: (string | Node)[][], numbers: number): HTMLElement {
  const kind = (at: number): string => (at >= numbers ? "number" : "");
  return h("table", {},
    h("thead", {}, h("tr", {}, ...heads.map((head, at) =>
      h("th", { scope: "col", className: kind(at) }, head)))),
    h("tbody", {}, ...rows.map((cells) => h("tr", {}, ...cells.map((cell, at) =>
      h("td", { className: kind(at), attrs: { "data-head": heads[at] ?? "" } }, cell))))));
}

const statusOf = (invoice: api.Invoice): HTMLElement =>
  h("span", { className: `badge ${invoice.overdue ? "overdue" : invoice.status}` },
    invoice.overdue ? words().overdue : words().statuses[invoice.status]);

export async function showInvoices(wanted: Wanted): Promise<void> {
  const shown: api.Invoice[] = [];
  const place = h("div", { className: "card" });
  const more = h("button", { type: "button" }, words().more);
  let next: string | null = null;
  const read = async (): Promise<void> => {
    const page = await api.listInvoices(next ?? undefined);
    shown.push(...page.items);
    next = page.next;
    more.hidden = next === null;
    place.replaceChildren(shown.length
      ? table([words().number, words().label, words().due, words().status, words().remaining],
          shown.map((invoice) => [
            h("a", { href: `#invoices/${invoice.id}` }, invoice.number ?? words().invoice), invoice.label,
            invoice.due_on ? day(invoice.due_on) : "", statusOf(invoice), money(invoice.remaining_cents),
          ]), 4)
      : h("p", {}, words().noInvoices));
  };
  more.onclick = () => void trying(read);
  await read();
  if (!wanted()) return;
  show(words().invoices, place, more);
}

export async function showInvoice(id: string, wanted: Wanted): Promise<void> {
  const invoice = await api.readInvoice(id);
  const due = invoice.status !== "draft" && invoice.remaining_cents > 0;
  const [wallets, transfer] = due
    ? await Promise.all([api.listWallets(), api.readPayment({ invoice_id: id })])
    : [[], null];
  if (!wanted()) return;
  const sums: [string, string][] = [
    [words().total, money(invoice.total_cents)],
    [words().paid, money(invoice.paid_cents)],
    [words().remaining, money(invoice.remaining_cents)],
  ];
  show(
    `${words().invoice} ${invoice.number ?? ""}`,
    h("p", {}, `${invoice.label} `, statusOf(invoice),
      invoice.due_on ? ` ${words().due} ${day(invoice.due_on)}` : ""),
    h("section", { className: "card" },
      table([words().label, words().student, words().amount],
        invoice.lines.map((line) => [line.label, line.student_name, money(line.amount_cents)]), 2),
      h("dl", { className: "sums" }, ...sums.flatMap(([name, sum]) => [h("dt", {}, name), h("dd", {}, sum)])),
      invoice.status !== "draft" && h("button", {
        type: "button", className: "pdf", onclick: () => void trying(() => download(invoice)),
      }, words().pdf),
    ),
    due && fromWallet(invoice, wallets),
    transfer && h("section", { className: "card" },
      h("h2", {}, words().payTitle), h("p", {}, words().scan),
      payment(transfer.details, transfer.code), imported(transfer.details.imported_until)),
    h("p", {}, h("a", { href: "#invoices" }, words().back)),
  );
}

function fromWallet(invoice: api.InvoiceDetails, wallets: api.Wallet[]): HTMLElement {
  const students = new Set(invoice.lines.map((line) => line.student_id));
  const usable = wallets
    .filter((wallet) => !wallet.closed && students.has(wallet.student.id))
    .map((wallet) => ({ wallet, cents: Math.min(wallet.balance_cents - wallet.floor_cents, invoice.remaining_cents) }))
    .filter(({ cents }) => cents > 0);
  if (!usable.length) {
    return h("section", { className: "card" }, h("h2", {}, words().payWallet), h("p", {}, words().noMoney));
  }
  const select = h("select", { name: "wallet" }, ...usable.map(({ wallet }) =>
    h("option", { value: wallet.id },
      `${nameOf(wallet)}, ${wallet.compartment.name} (${money(wallet.balance_cents)})`)));
  const amount = h("input", { name: "amount", type: "number", min: "0.01", step: "0.01", required: true });
  amount.inputMode = "decimal";
  const propose = (): void => {
    const cents = usable[select.selectedIndex]?.cents ?? 0;
    amount.value = (cents / 100).toFixed(2);
    amount.max = amount.value;
  };
  // The richest first, so that one payment is enough where one can be.
  select.selectedIndex = usable.reduce((best, { cents }, at) => (cents > (usable[best]?.cents ?? 0) ? at : best), 0);
  propose();
  select.onchange = propose;
  // One key for each payment that is meant: pressed again after a lost answer, it pays nothing more.
  let key = crypto.randomUUID();
  const renew = (): void => void (key = crypto.randomUUID());
  select.addEventListener("change", renew);
  amount.addEventListener("change", renew);
  const pay = async (): Promise<void> => {
    hush();
    const wanted = begun();
    try {
      await api.payInvoice(invoice.id, select.value, Math.round(Number(amount.value) * 100), key);
      await showInvoice(invoice.id, wanted);
      tell(words().paidNow);
    } catch (error) {
      complain(error);
    }
  };
  return h("section", { className: "card" },
    h("h2", {}, words().payWallet),
    form(words().pay, pay, field(words().wallet, select), field(`${words().amount} (€)`, amount)));
}

async function download(invoice: api.InvoiceDetails): Promise<void> {
  const address = URL.createObjectURL(await api.readPdf(invoice.id));
  h("a", { href: address, download: `${invoice.number ?? "invoice"}.pdf` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
