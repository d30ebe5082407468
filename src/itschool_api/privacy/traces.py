"""A person's rows in every table: what an export selects.

One condition for each table of the inventory with something personal in it; the columns come from
the inventory, so that a new one is in the export as soon as it is classified.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, Text, case, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from itschool_api.auth.models import (
    KnownOrigin,
    LoginToken,
    LoginTokenRequest,
    Membership,
    MembershipOffer,
    RecoveryCode,
    RefreshToken,
    SecondFactor,
    User,
    UserSession,
)
from itschool_api.banking.models import Allocation, BankTransaction
from itschool_api.database import Base, Selection
from itschool_api.events.models import Event, EventAudience
from itschool_api.families.models import (
    ClassGroup,
    Enrolment,
    Family,
    FamilyStudent,
    Guardian,
    Guardianship,
    Student,
)
from itschool_api.invoices.models import Invoice, InvoiceLine
from itschool_api.ledger.models import Account, PaymentReference, Transfer
from itschool_api.outbox.models import Mail
from itschool_api.privacy import inventory
from itschool_api.privacy.circle import Circle, Ids
from itschool_api.privacy.models import Export
from itschool_api.schools.models import Compartment, SchoolYear
from itschool_api.trail import AuditEvent
from itschool_api.wallets.models import Wallet

Condition = ColumnElement[bool]


def among(column: InstrumentedAttribute[Any], ids: Ids) -> Condition:
    """Tell whether a column is one of `ids`, which travel as one parameter."""
    return column == func.any(list(ids))


def _students(circle: Circle) -> Condition:
    # A child has an export of its own; a guardian's names it beside the guardianship.
    return among(Student.id, circle.students if circle.of_student else frozenset())


def _guardianships(circle: Circle) -> Condition:
    if circle.of_student:
        return Guardianship.student_id == circle.subject_id
    return Guardianship.guardian_id == circle.subject_id


def _events(circle: Circle) -> Condition:
    addressed = select(EventAudience.event_id).where(
        EventAudience.school_id == circle.school_id,
        among(EventAudience.student_id, circle.students if circle.of_student else frozenset()),
    )
    return Event.id.in_(addressed)


def _lines(circle: Circle) -> Condition:
    if circle.of_student:
        return InvoiceLine.student_id == circle.subject_id
    return among(InvoiceLine.invoice_id, circle.invoices)


def _transfers(circle: Circle) -> Condition:
    return or_(_moved(circle, Transfer.source_id), _moved(circle, Transfer.target_id))


def _moved(circle: Circle, side: InstrumentedAttribute[Any]) -> Condition:
    """Tell whether a transfer is of the accounts, or of former ones while they were seen."""
    until = (
        (side == account_id) & (Transfer.booked_on <= day)
        for account_id, day in circle.former.items()
    )
    return or_(among(side, circle.accounts), *until)


def payments(circle: Circle) -> Condition:
    """Payments that reached the accounts, or name one of their references and wait."""
    reached = (
        select(Allocation.transaction_id)
        .join(
            Transfer,
            (Transfer.school_id == Allocation.school_id) & (Transfer.id == Allocation.transfer_id),
        )
        .where(Allocation.school_id == circle.school_id, _moved(circle, Transfer.target_id))
    )
    named = select(PaymentReference.reference).where(
        PaymentReference.school_id == circle.school_id,
        among(PaymentReference.account_id, circle.accounts),
    )
    return or_(BankTransaction.id.in_(reached), BankTransaction.reference.in_(named))


def _sessions(circle: Circle) -> Condition:
    return among(UserSession.user_id, circle.users) & (UserSession.school_id == circle.school_id)


def _acts(circle: Circle) -> Condition:
    return or_(
        AuditEvent.subject_ids.op("@>")([circle.subject_id]),
        AuditEvent.actor.in_([f"user:{user_id}" for user_id in circle.users]),
    )


ROWS: Final[Mapping[type[Base], Callable[[Circle], Condition]]] = {
    Student: _students,
    Enrolment: lambda c: among(Enrolment.student_id, c.students if c.of_student else frozenset()),
    FamilyStudent: lambda c: among(
        FamilyStudent.student_id, c.students if c.of_student else frozenset()
    ),
    Family: lambda c: among(Family.id, c.families),
    Guardian: lambda c: among(Guardian.id, c.guardians),
    Guardianship: _guardianships,
    Event: _events,
    User: lambda c: among(User.id, c.users),
    Membership: lambda c: (
        among(Membership.user_id, c.users) & (Membership.school_id == c.school_id)
    ),
    MembershipOffer: lambda c: MembershipOffer.guardian_id == c.subject_id,
    UserSession: _sessions,
    RefreshToken: lambda c: RefreshToken.session_id.in_(select(UserSession.id).where(_sessions(c))),
    LoginToken: lambda c: among(LoginToken.user_id, c.users),
    LoginTokenRequest: lambda c: LoginTokenRequest.email.in_(list(c.emails)),
    KnownOrigin: lambda c: among(KnownOrigin.user_id, c.users),
    SecondFactor: lambda c: among(SecondFactor.user_id, c.users),
    RecoveryCode: lambda c: among(RecoveryCode.user_id, c.users),
    Mail: lambda c: among(Mail.user_id, c.users),
    Export: lambda c: (Export.subject_id == c.subject_id) | among(Export.requested_by, c.users),
    AuditEvent: _acts,
    Account: lambda c: among(Account.id, c.accounts),
    PaymentReference: lambda c: among(PaymentReference.account_id, c.accounts),
    Transfer: _transfers,
    Invoice: lambda c: among(Invoice.id, c.invoices),
    InvoiceLine: _lines,
    BankTransaction: payments,
}


def _named(model: type[Base], words: Any, school: Any, key: Any) -> ColumnElement[Any]:
    """Select what a row of `model` is called, which `key` points to."""
    table: Table = model.__table__  # type: ignore[assignment]
    mine = (table.columns["school_id"] == school) & (table.columns["id"] == key)
    return select(words).select_from(table).where(mine).scalar_subquery()


_FULL_NAME: Final = func.concat(Student.first_name, " ", Student.last_name)
_WALLET: Final = (
    select(func.concat(_FULL_NAME, ": ", Compartment.name))
    .select_from(Wallet)
    .join(Student, (Student.school_id == Wallet.school_id) & (Student.id == Wallet.student_id))
    .join(
        Compartment,
        (Compartment.school_id == Wallet.school_id) & (Compartment.id == Wallet.compartment_id),
    )
    .where(Wallet.school_id == Account.school_id, Wallet.account_id == Account.id)
    .scalar_subquery()
)
# What makes a row readable: the names of what its ids point to.
_BESIDE: Final[Mapping[type[Base], Mapping[str, ColumnElement[Any]]]] = {
    Enrolment: {
        "class_group": _named(
            ClassGroup, ClassGroup.name, Enrolment.school_id, Enrolment.class_group_id
        ),
        "school_year": _named(
            SchoolYear, SchoolYear.name, Enrolment.school_id, Enrolment.school_year_id
        ),
    },
    Guardianship: {
        "student": _named(Student, _FULL_NAME, Guardianship.school_id, Guardianship.student_id),
        "guardian": _named(
            Guardian,
            func.concat(Guardian.first_name, " ", Guardian.last_name),
            Guardianship.school_id,
            Guardianship.guardian_id,
        ),
    },
    Account: {"wallet": _WALLET},
    PaymentReference: {"account_id": cast(PaymentReference.account_id, Text)},
    InvoiceLine: {
        "invoice_id": cast(InvoiceLine.invoice_id, Text),
        "student": _named(Student, _FULL_NAME, InvoiceLine.school_id, InvoiceLine.student_id),
    },
    Transfer: {
        "source_id": cast(Transfer.source_id, Text),
        "target_id": cast(Transfer.target_id, Text),
    },
}


def _instead(model: type[Base], circle: Circle) -> dict[str, ColumnElement[Any]]:
    """Return columns of which only a part is the person's own."""
    if model is not Transfer:
        return {}
    # The other side's balance may be another child's.
    return {
        "source_balance_cents": case(
            (_moved(circle, Transfer.source_id), Transfer.source_balance_cents)
        ),
        "target_balance_cents": case(
            (_moved(circle, Transfer.target_id), Transfer.target_balance_cents)
        ),
    }


def selection(model: type[Base], circle: Circle) -> Selection:
    """Select a person's rows of a table: its id, what is personal in it, and names beside."""
    table: Table = model.__table__  # type: ignore[assignment]
    columns: list[ColumnElement[Any]] = []
    if "id" in table.columns:
        columns.append(table.columns["id"])
    special = _instead(model, circle)
    columns += [
        special[name].label(name) if name in special else table.columns[name]
        for name in inventory.exported(table.name)
    ]
    columns += [column.label(name) for name, column in _BESIDE.get(model, {}).items()]
    if model is AuditEvent:
        mine = [f"user:{user_id}" for user_id in circle.users]
        columns.append(AuditEvent.actor.in_(mine).label("by_this_person"))
    query = select(*columns).select_from(table).where(ROWS[model](circle))
    if "school_id" in table.columns:
        query = query.where(table.columns["school_id"] == circle.school_id)
    return query.order_by(*table.primary_key.columns)
