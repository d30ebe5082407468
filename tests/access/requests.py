"""A valid request for each operation, aimed at parent A's or the school's objects."""

import itertools
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any, Final

from tests.access.world import World, event_form, files, webhook_form
from tests.kit import ANY_STATE, PASSWORD, once

Request = dict[str, Any]
_MAKERS: Final[dict[str, Callable[[World], Awaitable[Request]]]] = {}
_later_years = itertools.count(2040)


def _for(operation: str) -> Callable[[Callable[[World], Awaitable[Request]]], None]:
    def register(maker: Callable[[World], Awaitable[Request]]) -> None:
        _MAKERS[operation] = maker

    return register


async def request_for(operation: str, world: World, path: str) -> Request:
    """Return what to send: the path filled in, the body, the headers.

    Path parameters are filled from the world's objects unless the maker made a fresh one.
    """
    maker = _MAKERS.get(operation)
    made = dict(await maker(world)) if maker else {}
    ids = world.ours.ids | made.pop("ids", {})
    for name, value in ids.items():
        path = path.replace(f"{{{name}_id}}", value)
    assert "{" not in path, f"nothing fills {path}: add it to the world's ids"
    return {"url": path, **made}


@_for("set_password")
async def _set_password(_: World) -> Request:
    new = f"{PASSWORD} and more"
    return {"json": {"new_password": new, "current_password": PASSWORD}}


@_for("create_school_year")
async def _create_school_year(_: World) -> Request:
    return {"json": {"first_year": next(_later_years)}}


@_for("promote_students")
async def _promote_students(world: World) -> Request:
    ids = world.ours.ids
    form = {"school_year_id": ids["next_school_year"], "from_school_year_id": ids["school_year"]}
    classes = [{"from_class_group_id": ids["class_group"], "to_name": "4B"}]
    # Somebody new, for whom there is something to do.
    student = await world.ours.fresh_student(ids["class_group"])
    students = [{"student_id": student, "to_class_group_id": ids["next_class_group"]}]
    return {"json": form | {"class_groups": classes, "students": students}}


@_for("record_departure")
async def _record_departure(world: World) -> Request:
    return {"ids": {"student": await world.ours.fresh_student()}, "json": {}}


@_for("change_session")
async def _change_session(_: World) -> Request:
    return {"json": {"label": "An's phone"}}


@_for("end_session")
async def _end_session(world: World) -> Request:
    return {"ids": {"session": await world.ours.fresh_session()}}


@_for("begin_second_factor")
async def _begin_second_factor(_: World) -> Request:
    return {"json": {"current_password": PASSWORD}}


@_for("confirm_second_factor")
async def _confirm_second_factor(_: World) -> Request:
    return {"json": {"otp": "123456"}}


@_for("renew_recovery_codes")
async def _renew_recovery_codes(_: World) -> Request:
    return {"json": {"current_password": PASSWORD, "otp": "123456"}}


@_for("remove_second_factor")
async def _remove_second_factor(_: World) -> Request:
    return {"json": {"current_password": PASSWORD, "otp": "123456"}}


@_for("set_school_security")
async def _set_school_security(_: World) -> Request:
    return {"json": {"second_factor_required": False}}


@_for("create_api_key")
async def _create_api_key(_: World) -> Request:
    return {"json": {"label": "Matrix", "scopes": ["events:read"]}}


@_for("revoke_api_key")
async def _revoke_api_key(world: World) -> Request:
    return {"ids": {"key": world.ours.ids["key"]}}


@_for("create_invoice")
async def _create_invoice(world: World) -> Request:
    ids = world.ours.ids
    line = {"student_id": ids["student"], "label": "Garderie", "unit_cents": 75}
    form = {"family_id": ids["family"], "label": "Garderie", "school_year_id": ids["school_year"]}
    return {"json": {**form, "lines": [line]}}


@_for("discard_invoice")
async def _discard_invoice(world: World) -> Request:
    return {"ids": {"invoice": await world.ours.fresh_draft()}}


@_for("issue_invoice")
async def _issue_invoice(world: World) -> Request:
    return {"ids": {"invoice": await world.ours.fresh_draft()}, "json": {}}


@_for("pay_invoice")
async def _pay_invoice(world: World) -> Request:
    form = {"wallet_id": world.ours.ids["wallet"], "amount_cents": 1}
    return {"json": form, "headers": once()}


@_for("import_bank_statement")
async def _import_bank_statement(world: World) -> Request:
    return files(world.ours.file())


@_for("allocate_bank_transaction")
async def _allocate_bank_transaction(world: World) -> Request:
    part = {"wallet_id": world.ours.ids["wallet"], "amount_cents": 1_00}
    return {
        "ids": {"transaction": await world.ours.fresh_suspense()},
        "json": {"allocations": [part]},
        "headers": once(),
    }


@_for("create_event")
async def _create_event(world: World) -> Request:
    ids = world.ours.ids
    audience = {"class_group_ids": [ids["class_group"]], "student_ids": [ids["student"]]}
    return {"json": event_form(**audience)}


@_for("change_event")
async def _change_event(world: World) -> Request:
    return {"json": event_form(student_ids=[world.ours.ids["student"]]), "headers": ANY_STATE}


@_for("delete_event")
async def _delete_event(world: World) -> Request:
    return {"ids": {"event": await world.ours.fresh_event()}}


@_for("create_class_group")
async def _create_class_group(world: World) -> Request:
    form = {"name": once()["Idempotency-Key"], "school_year_id": world.ours.ids["school_year"]}
    return {"json": form}


@_for("enrol_student")
async def _enrol_student(world: World) -> Request:
    form = {"first_name": "Jef", "last_name": "Claes"}
    return {"json": form | {"class_group_id": world.ours.ids["class_group"]}}


@_for("create_guardian")
async def _create_guardian(_: World) -> Request:
    return {"json": {"first_name": "Tom", "last_name": "Maes"}}


@_for("invite_guardian")
async def _invite_guardian(world: World) -> Request:
    return {"ids": {"guardian": await world.ours.fresh_guardian()}}


@_for("invite_guardians")
async def _invite_guardians(world: World) -> Request:
    return {"json": {"class_group_id": world.ours.ids["class_group"]}}


@_for("print_login_letters")
async def _print_login_letters(world: World) -> Request:
    return {"json": {"guardian_ids": [await world.ours.fresh_guardian()]}}


@_for("create_family")
async def _create_family(world: World) -> Request:
    members = [{"student_id": world.ours.ids["student"], "share_bp": 0}]
    return {"json": {"name": "Famille Maes", "students": members}}


@_for("add_family_student")
async def _add_family_student(world: World) -> Request:
    return {"json": {"student_id": await world.ours.fresh_student(), "share_bp": 0}}


@_for("create_guardianship")
async def _create_guardianship(world: World) -> Request:
    ids = world.ours.ids
    link = {"student_id": ids["student"], "family_id": ids["family"], "sees_money": False}
    return {"json": link | {"guardian_id": await world.ours.fresh_guardian()}}


@_for("import_roll")
async def _import_roll(_: World) -> Request:
    key = once()["Idempotency-Key"]
    file = f"student_key;student_first_name;student_last_name\n{key};Jef;Claes\n"
    return {"content": file.encode(), "headers": {"Content-Type": "text/csv"}}


@_for("change_guardianship")
async def _change_guardianship(_: World) -> Request:
    return {"json": {"sees_money": True, "ends_on": None}, "headers": ANY_STATE}


@_for("retry_mail")
async def _retry_mail(world: World) -> Request:
    return {"ids": {"mail": await world.ours.fresh_failed_mail()}}


@_for("change_compartment")
async def _change_compartment(_: World) -> Request:
    return {"json": {"low_cents": 10_00}, "headers": ANY_STATE}


@_for("create_webhook_endpoint")
async def _create_webhook_endpoint(world: World) -> Request:
    # A school has a few at most.
    await world.ours.forget_endpoints()
    await world.theirs.forget_endpoints()
    return {"json": webhook_form()}


@_for("change_webhook_endpoint")
async def _change_webhook_endpoint(_: World) -> Request:
    return {"json": {"description": "Canteen", "enabled": True}, "headers": ANY_STATE}


async def _endpoint(world: World) -> Request:
    await world.ours.forget_endpoints()
    return {"ids": {"endpoint": await world.ours.fresh_endpoint()}}


for _operation in ("delete_webhook_endpoint", "send_test_webhook"):
    _for(_operation)(_endpoint)


@_for("rotate_webhook_secret")
async def _rotate_webhook_secret(_: World) -> Request:
    return {"json": {}}


@_for("redeliver_failed_webhooks")
async def _redeliver_failed_webhooks(world: World) -> Request:
    made = await _endpoint(world)
    await world.ours.fresh_failed_delivery(made["ids"]["endpoint"])
    return made | {"json": {"since": "2026-01-01T00:00:00Z"}}


@_for("redeliver_webhook")
async def _redeliver_webhook(world: World) -> Request:
    endpoint = (await _endpoint(world))["ids"]["endpoint"]
    return {"ids": {"delivery": await world.ours.fresh_failed_delivery(endpoint)}}


@_for("create_export")
async def _create_export(world: World) -> Request:
    return {"json": {"student_id": world.ours.ids["student"]}}


@_for("erase_student")
async def _erase_student(world: World) -> Request:
    student_id = await world.ours.fresh_student()
    await world.ours.school.manager.put(f"/v1/students/{student_id}/departure", json={})
    return {"ids": {"student": student_id}, "json": {"confirmed_name": "Jef Claes"}}


@_for("erase_guardian")
async def _erase_guardian(world: World) -> Request:
    ids = {"guardian": await world.ours.fresh_guardian()}
    return {"ids": ids, "json": {"confirmed_name": "Tom Maes"}}


@_for("change_student")
async def _change_student(_: World) -> Request:
    form = {"first_name": "Noor", "last_name": "Peeters", "birth_date": "2017-05-12"}
    return {"json": form | {"external_key": None}, "headers": ANY_STATE}


@_for("change_guardian")
async def _change_guardian(_: World) -> Request:
    form = {"first_name": "An", "last_name": "Peeters", "language": "nl"}
    return {"json": form | {"email": "an@example.org", "phone": None}, "headers": ANY_STATE}


@_for("change_family")
async def _change_family(_: World) -> Request:
    form = {"name": "Famille Peeters", "language": "fr"}
    return {
        "json": form | {"street": None, "postal_code": None, "city": None},
        "headers": ANY_STATE,
    }


@_for("create_member")
async def _create_member(_: World) -> Request:
    form = {"first_name": "Jef", "last_name": "Claes", "roles": ["teacher"]}
    return {"json": form | {"email": f"{token_hex(6)}@example.org"}}


async def _member(world: World) -> Request:
    return {"ids": {"user": await world.ours.fresh_member()}}


for _operation in (
    "read_member",
    "end_membership",
    "invite_member",
    "disable_member",
    "enable_member",
):
    _for(_operation)(_member)


@_for("change_member_roles")
async def _change_member_roles(world: World) -> Request:
    return await _member(world) | {"json": {"roles": ["accountant"]}}


def _login() -> Request:
    name = token_hex(6)
    return {"json": {"user_name": name, "email": f"{name}@example.org", "language": "nl"}}


@_for("change_member_login")
async def _change_member_login(world: World) -> Request:
    return await _member(world) | _login()


async def _guardian_with_login(world: World) -> Request:
    return {"ids": {"guardian": await world.ours.fresh_guardian_with_login()}}


for _operation in ("read_guardian_login", "unlink_guardian_login"):
    _for(_operation)(_guardian_with_login)


@_for("change_guardian_login")
async def _change_guardian_login(world: World) -> Request:
    return await _guardian_with_login(world) | _login()


@_for("offer_membership")
async def _offer_membership(world: World) -> Request:
    ids = {"guardian": await world.ours.fresh_guardian()}
    return {"ids": ids, "json": {"user_name": token_hex(6)}}


@_for("change_me")
async def _change_me(_: World) -> Request:
    return {"json": {"language": "nl"}}


@_for("request_email_change")
async def _request_email_change(_: World) -> Request:
    form = {"email": f"{token_hex(6)}@example.org", "current_password": PASSWORD}
    return {"json": form}


@_for("confirm_email_change")
async def _confirm_email_change(_: World) -> Request:
    return {"json": {"code": "ABCDEFGH-ABCDEFGH-ABCDEFGH-ABCDEFGH"}}


async def _offer(world: World) -> Request:
    return {"ids": {"offer": await world.fresh_offer()}}


for _operation in ("accept_offer", "decline_offer"):
    _for(_operation)(_offer)
