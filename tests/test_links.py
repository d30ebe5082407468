"""What an answer holds leads on: the links of the document are there, and they hold."""

from typing import Any

import pytest

from itschool_api import openapi
from itschool_api.app import create_app
from itschool_api.settings import Settings

Document = dict[str, Any]


@pytest.fixture
def document(settings: Settings) -> Document:
    return openapi.document(create_app(settings))


def links(document: Document, operation_id: str) -> dict[str, Any]:
    """Return where an operation's answer leads, and by which value."""
    for methods in document["paths"].values():
        for operation in methods.values():
            if operation["operationId"] == operation_id:
                return {
                    name: link["parameters"]
                    for answer in operation["responses"].values()
                    for name, link in answer.get("links", {}).items()
                }
    raise AssertionError(operation_id)


def test_what_is_made_leads_to_what_can_be_done_with_it(document: Document) -> None:
    made = links(document, "create_invoice")

    assert made["read_invoice"] == {"invoice_id": "$response.body#/id"}
    assert {"issue_invoice", "pay_invoice", "read_invoice_pdf"} <= made.keys()


def test_a_list_leads_to_its_first_item_and_a_thing_to_what_is_below_it(document: Document) -> None:
    assert links(document, "list_wallets")["read_wallet"] == {
        "wallet_id": "$response.body#/items/0/id"
    }
    assert links(document, "read_wallet")["read_wallet_top_up"] == {
        "wallet_id": "$request.path.wallet_id"
    }


def test_an_id_of_something_else_leads_there(document: Document) -> None:
    assert links(document, "create_guardianship")["read_student"] == {
        "student_id": "$response.body#/student_id"
    }


def test_every_operation_on_one_thing_is_led_to(document: Document) -> None:
    """So that whoever has the document alone finds a way to each."""
    led_to = {
        link["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for answer in operation["responses"].values()
        for link in answer.get("links", {}).values()
    }
    alone = {
        operation["operationId"]
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if path.count("{") == 1
    }
    assert alone - led_to == set()
