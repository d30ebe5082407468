// How to pay by transfer: the QR code that banking apps scan, and the same to copy.

import type { PaymentDetails } from "./api";
import { h } from "./dom";
import { complain, tell } from "./page";
import { money, words } from "./words";

function row(label: string, shown: string, copied?: string): HTMLElement[] {
  const copy = copied === undefined ? null : h("button", {
    type: "button",
    className: "copy",
    attrs: { "aria-label": `${words().copy} : ${label}` },
    onclick: () => void navigator.clipboard.writeText(copied).then(
      () => tell(`${label} ${words().copied}.`),
      () => tell(words().notCopied),
    ),
  }, words().copy);
  return [h("dt", {}, label), h("dd", {}, h("span", { className: "value" }, shown), copy)];
}

/** Groups of four, as people read an IBAN. */
const grouped = (iban: string): string => iban.replace(/(.{4})(?=.)/g, "$1 ");

export function payment(details: PaymentDetails, code: Blob): HTMLElement {
  const picture = h("img", { className: "code", alt: words().qrAlt, width: 220, height: 220 });
  const source = URL.createObjectURL(code);
  picture.onload = () => URL.revokeObjectURL(source);
  picture.onerror = () => complain(new Error("the QR code cannot be shown"));
  picture.src = source;
  const amount = details.amount_cents;
  return h("div", { className: "payment" },
    picture,
    h("dl", { className: "details" },
      ...row(words().beneficiary, details.beneficiary),
      ...row(words().iban, grouped(details.iban), details.iban),
      ...(details.bic ? row(words().bic, details.bic) : []),
      ...row(words().reference, details.reference_display, details.reference_display),
      ...(amount === null
        ? row(words().amount, words().freeAmount)
        // Banking apps take a plain number.
        : row(words().amount, money(amount), (amount / 100).toFixed(2).replace(".", ","))),
    ),
  );
}
