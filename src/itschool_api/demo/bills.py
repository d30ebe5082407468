"""Writes the invented invoices: campaign by campaign, the oldest first, and some drafts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from itschool_api.demo.bank import Payable
from itschool_api.demo.invention import SchoolPlan
from itschool_api.demo.people import Family, Student
from itschool_api.demo.words import Campaign
from itschool_api.invoices import issuing
from itschool_api.invoices.schemas import NewInvoice, NewInvoiceLine
from itschool_api.money import Cents
from itschool_api.references import Reference
from itschool_api.schools import service as schools

_WHOLE = 10_000


@dataclass(frozen=True, slots=True)
class Bills:
    """The issued invoices: those that payments came for, and those that are still to be paid."""

    paid: Sequence[Payable]
    open: Sequence[Payable]


@dataclass(frozen=True, slots=True)
class _Bill:
    """An invoice to be."""

    family: Family
    form: NewInvoice

    @property
    def total_cents(self) -> Cents:
        return Cents(sum(line.quantity * line.unit_cents for line in self.form.lines))

    def payable(self, reference: Reference) -> Payable:
        return Payable(
            reference,
            self.family.home.payer,
            self.family.students[0].first_name,
            self.total_cents,
            is_parents=self.family.is_parents,
        )


async def bill(
    session: AsyncSession, school_id: UUID, plan: SchoolPlan, everybody: Sequence[Family]
) -> Bills:
    """Issue the plan's invoices; the first family pays the first and owes the last two."""
    random = Random(plan.seed)
    today = await schools.today(session, school_id)
    paid: list[Payable] = []
    still_open: list[Payable] = []
    campaigns = plan.words.campaigns
    for place, campaign in enumerate(campaigns):
        share = plan.invoices // len(campaigns) + (place < plan.invoices % len(campaigns))
        is_parents_turn = place == 0 or place >= len(campaigns) - 2
        billed = _chosen(random, everybody, share, with_parent=is_parents_turn)
        made = await _issue(session, school_id, random, campaign, billed, today)
        is_settled = campaign.is_paid
        for each in made:
            settled = is_settled and not (each.is_parents and place > 0)
            (paid if settled else still_open).append(each)
    for family in _chosen(random, everybody, plan.drafts, with_parent=False):
        form = await _form(session, school_id, random, plan.words.draft, family, today)
        await issuing.draft_invoice(session, school_id, form)
    return Bills(paid, still_open)


def _chosen(
    random: Random, everybody: Sequence[Family], count: int, *, with_parent: bool
) -> list[Family]:
    parents = [family for family in everybody if family.is_parents and with_parent]
    others = [family for family in everybody if not family.is_parents]
    return parents + random.sample(others, count - len(parents))


async def _issue(
    session: AsyncSession,
    school_id: UUID,
    random: Random,
    campaign: Campaign,
    billed: Sequence[Family],
    today: date,
) -> list[Payable]:
    drafts = {}
    for family in billed:
        form = await _form(session, school_id, random, campaign, family, today)
        drafts[await issuing.draft_invoice(session, school_id, form)] = _Bill(family, form)
    issued = await issuing.issue_invoices(
        session,
        school_id,
        drafts,
        issued_on=today - timedelta(days=campaign.issued_days_ago),
        due_on=today - timedelta(days=campaign.due_days_ago),
    )
    return [made.payable(issued[invoice_id]) for invoice_id, made in drafts.items()]


async def _form(
    session: AsyncSession,
    school_id: UUID,
    random: Random,
    campaign: Campaign,
    family: Family,
    today: date,
) -> NewInvoice:
    issued_on = today - timedelta(days=campaign.issued_days_ago)
    years = await schools.years(session, school_id)
    year = next(year for year in years if year.begins_on <= issued_on)
    return NewInvoice(
        family_id=family.id,
        label=campaign.label,
        school_year_id=year.id,
        lines=[
            line
            for student in family.students
            for line in _lines(random, campaign, family.home.share_bp, student)
        ],
    )


def _lines(
    random: Random, campaign: Campaign, share_bp: int, student: Student
) -> list[NewInvoiceLine]:
    """Charge a student for everything compulsory and some of the rest, by the family's share."""
    wanted = [item for item in campaign.items if item.kind == "compulsory" or random.random() < 0.7]  # noqa: PLR2004
    return [
        NewInvoiceLine(
            student_id=student.id,
            label=item.label,
            quantity=random.randint(item.fewest, item.most),
            unit_cents=item.unit_cents * share_bp // _WHOLE,
            kind=item.kind,
        )
        for item in wanted or campaign.items[:1]
    ]
