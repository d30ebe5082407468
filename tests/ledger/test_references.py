"""References are for ever, also those that a school's former system has issued (rule 27)."""

import pytest

from itschool_api import references
from itschool_api.banking.coda.builders import payment
from itschool_api.database import school_transaction
from itschool_api.ledger import service as ledger
from itschool_api.ledger.service import ReferenceTaken
from itschool_api.money import Cents
from itschool_api.references import Reference
from tests.kit import PAYER, Child, School, books_are_clean, ok

pytestmark = pytest.mark.anyio


async def add_reference(school: School, child: Child, reference: Reference) -> None:
    """Let one more reference pay into a child's wallet."""
    async with school_transaction(school.sessions, school.id) as session:
        found = await ledger.accounts_by_reference(session, school.id, [child.reference])
        await ledger.add_reference(session, school.id, found[child.reference], reference)


async def test_the_counter_passes_by_references_of_a_former_system(school: School) -> None:
    child = await school.child()
    following = int(child.reference[:10]) + 1
    former = [references.issue(following), references.issue(following + 2)]
    for reference in former:
        await add_reference(school, child, reference)

    others = [await school.child() for _ in range(3)]

    issued = [int(other.reference[:10]) - following for other in others]
    assert issued == [1, 3, 4]
    await school.post_coda(school.coda(*(payment(each, Cents(5_00), PAYER) for each in former)))
    wallet = ok(await child.parent.get(f"/v1/wallets/{child.wallet_id}"))
    assert wallet["balance_cents"] == 10_00
    await books_are_clean(school)


async def test_a_reference_pays_into_one_thing_only(school: School) -> None:
    child, other = await school.child(), await school.child()
    with pytest.raises(ReferenceTaken):
        await add_reference(school, child, Reference(other.reference))
