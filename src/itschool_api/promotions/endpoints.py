"""HTTP: into the next school year."""

from typing import Annotated

from fastapi import APIRouter, Query

from itschool_api import errors, trail
from itschool_api.database import Transaction
from itschool_api.families.service import ClassGroupNameTaken
from itschool_api.promotions import service
from itschool_api.promotions.schemas import NewPromotions, PromotionReport
from itschool_api.schools.endpoints import SchoolWriter
from itschool_api.schools.service import SchoolYearNotFound

router = APIRouter(prefix="/v1", tags=["people"])


@router.post(
    "/promotions",
    responses=errors.responses(
        SchoolYearNotFound,
        service.SchoolYearsOutOfOrder,
        service.ImpossiblePromotions,
        ClassGroupNameTaken,
    ),
)
async def promote_students(
    session: Transaction,
    caller: SchoolWriter,
    form: NewPromotions,
    preview: Annotated[
        bool, Query(description="Show what would happen, and write nothing.")
    ] = False,
) -> PromotionReport:
    """Move students into another school year in one call, and note who leaves.

    Say where each class group goes, then the exceptions: who repeats, skips, goes elsewhere or
    leaves. Class groups of the new year are made by their names. All is done or nothing; the same
    again changes nothing, and a student who has a class in the new year already keeps it unless
    named. Wallets, their references and everything owed stay as they are, for leavers too.
    """
    report = await service.promote(session, caller.school_id, form, preview=preview)
    if preview or not (report.moved or report.left or report.class_groups):
        trail.forget(session)
    return report
