"""The golden files: what each holds, and the command that rewrites them.

    python -m tests.banking.coda.goldens

Each ``golden/NAME.cod`` is a bank's file and ``golden/NAME.json`` what must be read from it. All
are made by this project's own generator: no bank's and no person's data is in them.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from itschool_api import references
from itschool_api.banking import coda
from itschool_api.banking.coda import builders
from itschool_api.banking.coda.generator import SCHOOL, Kind
from itschool_api.banking.coda.rendering import Json, file_json
from itschool_api.money import Cents

FOLDER = Path(__file__).with_name("golden")
DAY = date(2026, 11, 24)
PARENT = coda.Counterparty("BE68539007547034", "EUR", "GKCCBEBB", "Lefèvre Zoé")
OTHER = coda.Counterparty("BE46513355208536", "EUR", "BBRUBEBB", "Peeters Jan")
WALLET = references.issue(1_234_567)
INVOICE = references.issue(2_026_000_001)
FOREIGN = coda.Account(
    number="FR7630006000011234567890189",
    bic="AGRIFRPP",
    holder="ECOLE DU TILLEUL ASBL",
    structure=coda.AccountStructure.FOREIGN_IBAN,
)
SECOND = replace(SCHOOL, number="BE46513355208536", description="Compte cantine")

Movements = list[coda.Movement]


def paid(reference: str = WALLET, cents: int = 25_00) -> coda.Movement:
    return builders.payment(reference, Cents(cents), PARENT)


def one(*movements: coda.Movement, account: coda.Account = SCHOOL) -> bytes:
    return coda.write([day(*movements, account=account)])


def day(
    *movements: coda.Movement, account: coda.Account = SCHOOL, number: int = 7
) -> coda.Statement:
    return coda.statement(account, movements, on=DAY, number=number, opening_cents=Cents(1_000_00))


def several() -> bytes:
    first = day(paid(), number=7)
    second = coda.statement(
        SCHOOL,
        [paid(INVOICE)],
        on=date(2026, 11, 25),
        number=8,
        opening_cents=Cents(first.closing_milli // 10),
    )
    return coda.write([first, second, day(paid(), account=SECOND, number=3)])


def over_the_seams() -> bytes:
    """Put a framed reference over each of the two seams between the three zones of text."""
    framed = references.formatted(WALLET)
    return one(
        builders.transfer(f"{'Repas et garderie de Louise':45}{framed}", Cents(10_00), PARENT),
        builders.transfer(f"{'Repas et garderie de Louise':95}{framed}", Cents(11_00), PARENT),
    )


def detailed_total() -> bytes:
    parts = (
        builders.transfer("Louise", Cents(10_00), builders.NOBODY),
        builders.transfer("Jules", Cents(15_00), builders.NOBODY),
    )
    return one(builders.bank_total("Versements", [paid()._replace(details=parts), paid(INVOICE)]))


def collected() -> Movements:
    return [
        builders.direct_debit(f"MANDAT-{n}", "Repas novembre", Cents(n * 10_00), PARENT, DAY)
        for n in (1, 2)
    ]


def broken_total() -> bytes:
    total = builders.bank_total("Versements", [paid(), paid(INVOICE)])
    return one(total._replace(amount_milli=total.amount_milli + 1_000))


def elsewhere() -> bytes:
    """Show the details of a total that is in another file (7.2.1)."""
    details = [
        item._replace(transaction_code="60150000", detail=0) for item in (paid(), paid(INVOICE))
    ]
    return coda.write(
        [coda.statement(SCHOOL, details, on=DAY, number=7, separate_application="00123")]
    )


def informed() -> bytes:
    movement = builders.with_address(paid(), "Rue Haute 1", "1000 BRUXELLES")
    text = "Message de la banque, " + "suite " * 30
    free = coda.Information(0, movement.transaction_code, "", text.rstrip())
    return one(movement._replace(information=(*movement.information, free)))


def without_new_balance() -> bytes:
    records = one().split(b"\r\n")
    trailer = records[3].replace(b"000002", b"000001", 1)
    return b"\r\n".join([*records[:2], trailer, b""])


def many() -> bytes:
    """Let the sequence numbers roll: 9999, 0000, 0001."""
    lines = [
        builders.payment(references.issue(n), Cents(n), builders.NOBODY) for n in range(1, 10_003)
    ]
    return one(*lines)


def undated() -> bytes:
    return one(paid()._replace(entry_on=DAY, value_on=None))


def with_messages() -> bytes:
    text = "Chers clients, " + "nos agences seront fermees le 25 decembre. " * 3
    return coda.write([replace(day(paid()), messages=(text.rstrip(), "Geachte klant"))])


def blank_structure() -> bytes:
    data = one(paid()).split(b"\r\n")
    return b"\r\n".join([data[0], b"1 " + data[1][2:], *data[2:]])


CASES: dict[str, Callable[[], bytes]] = {
    "single": lambda: one(paid()),
    "several-statements-and-accounts": several,
    "bank-total": lambda: one(builders.bank_total("Versements", [paid(), paid(INVOICE, 99_50)])),
    "bank-total-that-does-not-add-up": broken_total,
    "total-without-details": lambda: one(builders.card_total("Terminal", Cents(80_00), Cents(50))),
    "customer-total": lambda: one(builders.customer_total("Domiciliations", collected())),
    "charges": lambda: one(builders.charges("Frais de gestion", Cents(5_00), Cents(1_05))),
    "detailed-total": detailed_total,
    "reference-over-the-seams": over_the_seams,
    "reference-in-105": lambda: one(builders.foreign_payment(WALLET, Cents(60_00), PARENT)),
    "creditor-reference": lambda: one(paid("RF18539007547034")),
    "reconstituted": lambda: one(
        builders.payment(WALLET, Cents(5_00), PARENT, is_reconstituted=True)
    ),
    "bad-check-digits": lambda: one(paid("000123456749")),
    "returned-transfer": lambda: one(builders.returned_transfer(Cents(30_00), OTHER)),
    "recalled-payment": lambda: one(paid(), builders.recalled_payment(WALLET, Cents(25_00), OTHER)),
    "outgoing": lambda: one(builders.outgoing("Facture 2026-118", Cents(310_45), OTHER)),
    "two-equal-payments": lambda: one(paid(), paid()),
    "account-in-text": lambda: one(
        builders.transfer("Du compte 539007547034, merci", Cents(12_00), PARENT)
    ),
    "duplicate": lambda: coda.write([replace(day(paid()), is_duplicate=True)]),
    "foreign-account": lambda: one(paid(), account=FOREIGN),
    "foreign-number": lambda: one(
        paid(),
        account=replace(
            FOREIGN, number="00123456789", structure=coda.AccountStructure.FOREIGN_BBAN
        ),
    ),
    "belgian-number": lambda: one(
        paid(),
        account=replace(
            SCHOOL, number="539007547034", structure=coda.AccountStructure.BELGIAN_BBAN
        ),
    ),
    "blank-account-structure": blank_structure,
    "foreign-currency": lambda: one(
        paid()._replace(amount_milli=12_345), account=replace(SCHOOL, currency="TND")
    ),
    "separate-application": elsewhere,
    "information": informed,
    "messages": with_messages,
    "empty": one,
    "empty-without-new-balance": without_new_balance,
    "unknown-value-date": undated,
    "negative-balance": lambda: one(builders.outgoing("Achat", Cents(2_000_00), OTHER)),
    "utf-8": lambda: one(builders.transfer("Zażółć gęślą jaźń", Cents(1_00), PARENT)),
    "line-feeds": lambda: one(paid()).replace(b"\r\n", b"\n"),
    "no-line-ends": lambda: one(paid()).replace(b"\r\n", b"") + b"\x1a",
    "every-kind": lambda: coda.write(
        coda.generate(on=DAY, movements=48, seed=1, mix=dict.fromkeys(Kind, 1))
    ),
    "more-than-9999-movements": many,
}
BASE_OF_FAULTS = one(paid(), paid(INVOICE), builders.outgoing("Achat", Cents(9_90), OTHER))
CASES |= {
    f"fault-{fault}": lambda fault=fault: coda.plant(BASE_OF_FAULTS, fault)  # type: ignore[misc]
    for fault in coda.Fault
}


def rendered(name: str, data: bytes) -> str:
    """Show what is read from a file; of thousands of movements, only some around the roll."""
    try:
        shown = file_json(f"{name}.cod", coda.parse(data))
    except coda.CodaError as refused:
        shown = file_json(f"{name}.cod", refused)
    for statement in shown["statements"]:
        statement["movements"] = list(_some(statement["movements"]))
    return json.dumps(shown, indent=1, ensure_ascii=False) + "\n"


def _some(movements: list[Json]) -> Iterator[Json]:
    for ordinal, movement in enumerate(movements, start=1):
        if len(movements) < 1_000 or ordinal == 1 or ordinal > 9_997:
            yield movement


def rewrite() -> None:
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        path.unlink()
    for name, made in CASES.items():
        data = made()
        (FOLDER / f"{name}.cod").write_bytes(data)
        (FOLDER / f"{name}.json").write_text(rendered(name, data), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
