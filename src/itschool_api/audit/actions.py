"""Which actions the trail can name: the operations that leave an event, commands, and jobs."""

from typing import Any

from fastapi import FastAPI

from itschool_api import errors, trail

OPERATION = "list_audit_events"


def of(app: FastAPI) -> frozenset[str]:
    """Return the actions that an event of `app` may have."""
    return _of(app.openapi())


def unknown() -> errors.ValidationFailed:
    """Return the refusal of an action that nothing can have."""
    facts = {"expected": "an action of this document"}
    return errors.ValidationFailed(errors=[errors.fault("query", ["action"], "enum", facts)])


def illustrate(document: dict[str, Any]) -> None:
    """Say in the document which actions can be asked for."""
    operations = (each for path in document["paths"].values() for each in path.values())
    choices = (
        choice
        for each in operations
        if each["operationId"] == OPERATION
        for parameter in each["parameters"]
        if parameter["name"] == "action"
        for choice in parameter["schema"]["anyOf"]
        if choice["type"] == "string"
    )
    for choice in choices:
        choice["enum"] = sorted(_of(document))


def _of(document: dict[str, Any]) -> frozenset[str]:
    return trail.UNASKED | {
        operation["operationId"]
        for path in document["paths"].values()
        for method, operation in path.items()
        # What nobody is known to ask for leaves no event.
        if operation.get("security")
        and (method != "get" or operation["operationId"] in trail.DOWNLOADS)
    }
