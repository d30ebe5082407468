"""HTTP: people at a school."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Security

from itschool_api import errors, preconditions
from itschool_api.auth import limits
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller, Scope
from itschool_api.database import Transaction
from itschool_api.families import changes, guardians, invitations, service
from itschool_api.families.schemas import (
    ClassGroup,
    ClassGroupPage,
    Family,
    FamilyChanges,
    FamilyMember,
    FamilyPage,
    FamilySort,
    Guardian,
    GuardianChanges,
    GuardianPage,
    Guardianship,
    GuardianshipChanges,
    GuardianshipPage,
    GuardianSort,
    Invitation,
    InvitationReport,
    LoggedIn,
    NewClassGroup,
    NewFamily,
    NewGuardian,
    NewGuardianship,
    NewInvitations,
    Student,
    StudentChanges,
    StudentPage,
    StudentSort,
)
from itschool_api.pagination import InvalidCursor, Wanted, Words, sorted_by
from itschool_api.preconditions import MadeFrom
from itschool_api.schools.service import NoSchoolYear, SchoolYearNotFound

router = APIRouter(prefix="/v1", tags=["people"])

StudentReader = Annotated[Caller, Security(authenticate, scopes=[Scope.STUDENTS_READ])]
PeopleReader = Annotated[Caller, Security(authenticate, scopes=[Scope.PEOPLE_READ])]
PeopleWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.PEOPLE_WRITE])]
LoginWriter = Annotated[Caller, Security(authenticate, scopes=[Scope.LOGINS_WRITE])]


@router.post(
    "/class-groups",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(service.ClassGroupNameTaken, NoSchoolYear, SchoolYearNotFound),
)
async def create_class_group(
    session: Transaction, caller: PeopleWriter, form: NewClassGroup
) -> ClassGroup:
    """Make a class group of a school year."""
    group = await service.add_class_group(session, caller.school_id, form)
    return ClassGroup.model_validate(group)


@router.get("/class-groups", responses=errors.responses(InvalidCursor))
async def list_class_groups(
    session: Transaction,
    caller: PeopleReader,
    wanted: Wanted,
    school_year: Annotated[UUID | None, Query(description="Of this school year only.")] = None,
    search: Words = "",
) -> ClassGroupPage:
    """List class groups by name."""
    return await service.list_class_groups(session, caller, school_year, search, wanted)


@router.get("/students", responses=errors.responses(InvalidCursor))
async def list_students(
    session: Transaction,
    caller: StudentReader,
    wanted: Wanted,
    class_group: Annotated[
        UUID | None, Query(description="Of this class group only, of whatever year.")
    ] = None,
    left: Annotated[
        bool, Query(description="Those who left the school, in place of those who are there.")
    ] = False,
    search: Words = "",
    sort: Annotated[
        StudentSort,
        sorted_by(
            "`id`: the order in which they were added. Who is in no class counts as higher than all who are."
        ),
    ] = "last_name",
) -> StudentPage:
    """List students, by default by name: a parent's own children, or all of the school's for its office.

    Who left is read with `left=true`, or by id.
    """
    return await service.list_students(
        session,
        caller,
        search=search,
        class_group_id=class_group,
        left=left,
        sort=sort,
        wanted=wanted,
    )


@router.get("/students/{student_id}", responses=errors.responses(service.StudentNotFound))
async def read_student(session: Transaction, caller: StudentReader, student_id: UUID) -> Student:
    """Read a student."""
    return await service.read_student(session, caller, student_id)


@router.patch(
    "/students/{student_id}",
    responses=errors.responses(
        service.StudentNotFound,
        service.StudentKeyTaken,
        service.PersonErased,
        *preconditions.REFUSALS,
    ),
)
async def change_student(
    session: Transaction,
    caller: PeopleWriter,
    student_id: UUID,
    form: StudentChanges,
    made_from: MadeFrom,
) -> Student:
    """Correct a student's names, birth date, or number in your own system."""
    return await changes.change_student(session, caller.school_id, student_id, form, made_from)


@router.post("/guardians", status_code=HTTPStatus.CREATED)
async def create_guardian(
    session: Transaction, caller: PeopleWriter, form: NewGuardian
) -> Guardian:
    """Add a guardian; a guardianship then links them to a student."""
    return await guardians.add_guardian(session, caller.school_id, form)


@router.get("/guardians", responses=errors.responses(InvalidCursor))
async def list_guardians(
    session: Transaction,
    caller: PeopleReader,
    wanted: Wanted,
    class_group: Annotated[
        UUID | None, Query(description="Of students of this class group only.")
    ] = None,
    logged_in: Annotated[
        LoggedIn | None, Query(description="Who never got in, or who ever did.")
    ] = None,
    search: Words = "",
    sort: Annotated[
        GuardianSort, sorted_by("`id`: the order in which they were added.")
    ] = "last_name",
) -> GuardianPage:
    """List guardians, by default by name; `search` also finds a whole e-mail address."""
    return await guardians.list_guardians(
        session,
        caller,
        search=search,
        class_group_id=class_group,
        logged_in=logged_in,
        sort=sort,
        wanted=wanted,
    )


@router.get("/guardians/{guardian_id}", responses=errors.responses(guardians.GuardianNotFound))
async def read_guardian(session: Transaction, caller: PeopleReader, guardian_id: UUID) -> Guardian:
    """Read a guardian."""
    return await guardians.read_guardian(session, caller.school_id, guardian_id)


@router.patch(
    "/guardians/{guardian_id}",
    responses=errors.responses(
        guardians.GuardianNotFound, service.PersonErased, *preconditions.REFUSALS
    ),
)
async def change_guardian(
    session: Transaction,
    caller: PeopleWriter,
    guardian_id: UUID,
    form: GuardianChanges,
    made_from: MadeFrom,
) -> Guardian:
    """Correct a guardian's names, and how the school reaches them.

    Their login is theirs and stays as it is: see `PUT /v1/guardians/{guardian_id}/login`.
    """
    return await changes.change_guardian(session, caller.school_id, guardian_id, form, made_from)


@router.post(
    "/guardians/{guardian_id}/invitations",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(
        guardians.GuardianNotFound,
        invitations.GuardianHasNoEmail,
        invitations.LoginDisabled,
        limits.TooOften,
    ),
)
async def invite_guardian(
    session: Transaction, caller: LoginWriter, guardian_id: UUID
) -> Invitation:
    """Send a guardian their user name and a login token, which is valid for 14 days.

    Invited again, they keep their user name, and only the newest token works.
    """
    return await invitations.invite_guardian(session, caller.school_id, guardian_id)


@router.post(
    "/invitations",
    status_code=HTTPStatus.ACCEPTED,
    responses=errors.responses(service.ClassGroupNotFound),
)
async def invite_guardians(
    session: Transaction, caller: LoginWriter, form: NewInvitations
) -> InvitationReport:
    """Invite the guardians of a class group or of the whole school, all at once.

    Each gets their own e-mail with their own user name, in their own language, couples who share an
    address too. Whoever was invited within the last quarter of an hour is passed over, so that
    asking twice sends one mail. What became of each mail: `GET /v1/mails`.
    """
    return await invitations.invite_guardians(session, caller.school_id, form)


@router.post(
    "/families",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(service.StudentNotFound, service.PersonErased),
)
async def create_family(session: Transaction, caller: PeopleWriter, form: NewFamily) -> Family:
    """Add a family: whom invoices are addressed to, and for which students."""
    return await service.add_family(session, caller.school_id, form)


@router.post(
    "/families/{family_id}/students",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(
        service.FamilyNotFound,
        service.StudentNotFound,
        service.PersonErased,
        service.StudentInFamily,
    ),
)
async def add_family_student(
    session: Transaction, caller: PeopleWriter, family_id: UUID, member: FamilyMember
) -> Family:
    """Put a student into a family: a sibling who comes later, or the other parent's half."""
    return await service.add_family_student(session, caller.school_id, family_id, member)


@router.get("/families", responses=errors.responses(InvalidCursor))
async def list_families(
    session: Transaction,
    caller: PeopleReader,
    wanted: Wanted,
    search: Words = "",
    sort: Annotated[FamilySort, sorted_by("`id`: the order in which they were added.")] = "name",
) -> FamilyPage:
    """List families, by default by name."""
    return await service.list_families(session, caller, search=search, sort=sort, wanted=wanted)


@router.get("/families/{family_id}", responses=errors.responses(service.FamilyNotFound))
async def read_family(session: Transaction, caller: PeopleReader, family_id: UUID) -> Family:
    """Read a family."""
    return await service.read_family(session, caller.school_id, family_id)


@router.patch(
    "/families/{family_id}",
    responses=errors.responses(
        service.FamilyNotFound, service.PersonErased, *preconditions.REFUSALS
    ),
)
async def change_family(
    session: Transaction,
    caller: PeopleWriter,
    family_id: UUID,
    form: FamilyChanges,
    made_from: MadeFrom,
) -> Family:
    """Correct a family's name, address, or language; issued invoices stay as they are."""
    return await changes.change_family(session, caller.school_id, family_id, form, made_from)


@router.post(
    "/guardianships",
    status_code=HTTPStatus.CREATED,
    responses=errors.responses(
        guardians.GuardianNotFound,
        service.PersonErased,
        service.StudentNotInFamily,
        guardians.GuardianshipExists,
    ),
)
async def create_guardianship(
    session: Transaction, caller: PeopleWriter, form: NewGuardianship
) -> Guardianship:
    """Let a guardian see a student, and their money if `sees_money`, within a family."""
    return await guardians.add_guardianship(session, caller.school_id, form)


@router.get(
    "/guardianships/{guardianship_id}", responses=errors.responses(guardians.GuardianshipNotFound)
)
async def read_guardianship(
    session: Transaction, caller: PeopleReader, guardianship_id: UUID
) -> Guardianship:
    """Read a guardianship."""
    return await guardians.read_guardianship(session, caller.school_id, guardianship_id)


@router.patch(
    "/guardianships/{guardianship_id}",
    responses=errors.responses(
        guardians.GuardianshipNotFound, service.PersonErased, *preconditions.REFUSALS
    ),
)
async def change_guardianship(
    session: Transaction,
    caller: PeopleWriter,
    guardianship_id: UUID,
    changes: GuardianshipChanges,
    made_from: MadeFrom,
) -> Guardianship:
    """Change what a guardian sees, or end it; it counts from their next request on."""
    return await guardians.change_guardianship(
        session, caller.school_id, guardianship_id, changes, made_from
    )


@router.get("/guardianships", responses=errors.responses(InvalidCursor))
async def list_guardianships(
    session: Transaction,
    caller: PeopleReader,
    wanted: Wanted,
    guardian: Annotated[UUID | None, Query(description="Of this guardian only.")] = None,
    student: Annotated[UUID | None, Query(description="Of this student only.")] = None,
) -> GuardianshipPage:
    """List guardianships, oldest first."""
    return await guardians.list_guardianships(session, caller, guardian, student, wanted)
