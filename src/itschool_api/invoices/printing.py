"""An issued invoice on paper: its facts gathered, in the family's language."""

from datetime import date
from typing import cast
from uuid import UUID

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.auth.caller import Caller
from itschool_api.families import service as families
from itschool_api.invoices import document, service
from itschool_api.languages import Language
from itschool_api.money import Cents
from itschool_api.references import Reference
from itschool_api.schools import service as schools
from itschool_api.typesetting import Letterhead
from itschool_api.wallets import service as wallets

_ADDRESSEE = ("name", "street", "postal_code", "city", "language")


async def pdf(
    session: AsyncSession, caller: Caller, invoice_id: UUID, *, with_address: bool = True
) -> tuple[str, bytes]:
    """Return an issued invoice as a file name and a PDF, in the family's language.

    `with_address` is false for who may not learn where the family lives.

    Raises `InvoiceNotFound`, `InvoiceIsDraft`.
    """
    invoice = await service.read_invoice(session, caller, invoice_id)
    account_id = await service.account_of(session, caller, invoice_id)
    school, profile = await schools.profile(session, caller.school_id)
    family = await families.family(session, caller.school_id, invoice.family.id)
    # As it was called on the day of issue; once retention has ended, as it is called now.
    issued_to = await service.issued_to(session, caller, invoice_id)
    known = {part: issued_to.get(part, getattr(family, part)) for part in _ADDRESSEE}
    pay = await wallets.payment_details(
        session,
        caller.school_id,
        account_id,
        Cents(invoice.remaining_cents) if invoice.remaining_cents else None,
    )
    place = " ".join(filter(None, (known["postal_code"], known["city"])))
    street = (known["street"], place) if with_address else ()
    facts = document.InvoiceDocument(
        language=cast("Language", known["language"]),
        school=Letterhead(
            name=school.name,
            street=profile.street,
            postal_code=profile.postal_code,
            city=profile.city,
            enterprise_number=profile.enterprise_number,
            email=profile.email,
            phone=profile.phone,
        ),
        addressee=tuple(filter(None, (known["name"], *street))),
        number=cast("str", invoice.number),
        label=invoice.label,
        issued_on=cast("date", invoice.issued_on),
        due_on=cast("date", invoice.due_on),
        lines=tuple(
            document.DocumentLine(
                student=line.student_name,
                label=line.label,
                quantity=line.quantity,
                unit_cents=Cents(line.unit_cents),
                amount_cents=Cents(line.amount_cents),
                kind=line.kind,
            )
            for line in invoice.lines
        ),
        total_cents=Cents(invoice.total_cents),
        paid_cents=Cents(invoice.paid_cents),
        remaining_cents=Cents(invoice.remaining_cents),
        payment=document.Payment(
            beneficiary=pay.beneficiary,
            iban=pay.iban,
            bic=pay.bic or "",
            reference=Reference(pay.reference),
            epc_payload=pay.epc_payload,
        ),
    )
    return f"{invoice.number}.pdf", await anyio.to_thread.run_sync(document.render, facts)
