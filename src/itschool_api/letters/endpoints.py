"""HTTP: login letters."""

from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Request, Response, Security
from starlette.types import Receive, Scope, Send

from itschool_api import errors
from itschool_api.auth.authenticate import authenticate
from itschool_api.auth.caller import Caller
from itschool_api.auth.caller import Scope as Permission
from itschool_api.database import Transaction
from itschool_api.families.service import ClassGroupNotFound
from itschool_api.letters import document, service
from itschool_api.letters.schemas import NewLoginLetters

router = APIRouter(prefix="/v1", tags=["people"])

LetterWriter = Annotated[Caller, Security(authenticate, scopes=[Permission.LOGIN_LETTERS_WRITE])]

_COUNT = {"schema": {"type": "integer", "minimum": 0, "maximum": 1_000_000}}


class _Printed(Response):
    """Letters that are typeset on their way out, when the transaction has ended.

    It holds locks on the guardians' users; while hundreds of letters are set they could not log in.
    """

    def __init__(self, run: service.Run) -> None:
        name = service.file_name(run.letters.printed_on)
        self._letters = run.letters
        super().__init__(
            media_type="application/pdf",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Letters-Printed": str(len(run.letters.letters)),
                "Letters-Left-Out": str(run.left_out),
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Typeset the letters, then send them."""
        self.body = await anyio.to_thread.run_sync(document.render, self._letters)
        self.headers["Content-Length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


@router.post(
    "/login-letters",
    response_class=Response,
    responses={
        200: {
            "description": "The letters, sorted by class and child.",
            "headers": {
                "Letters-Printed": {"description": "How many letters there are.", **_COUNT},
                "Letters-Left-Out": {
                    "description": "How many guardians of the class group or school cannot get "
                    "one: their login is disabled, or not only a guardian's of this school.",
                    **_COUNT,
                },
            },
            "content": {
                "application/pdf": {
                    "schema": {
                        "type": "string",
                        "format": "binary",
                        "contentMediaType": "application/pdf",
                        "maxLength": 50_000_000,
                    }
                }
            },
        },
        **errors.responses(
            ClassGroupNotFound,
            service.NoLetterForThem,
            service.NobodyToWriteTo,
            service.TooManyLetters,
        ),
    },
)
async def print_login_letters(
    request: Request, session: Transaction, caller: LetterWriter, form: NewLoginLetters
) -> Response:
    """Print the way in for guardians who are not reached by e-mail: a letter for each, as one PDF.

    In each guardian's language, with the address in the window of the envelope, the user name, a
    login token that is valid for 30 days, and a QR code that leads there. Users are made for those
    who have none. Printing again makes new tokens, and ends those of before; of the file nothing is
    kept, so print it at once and delete it. For people only, not for API keys.
    """
    state = request.app.state
    run = await service.write_letters(
        session,
        caller.school_id,
        form,
        login_token_key=state.authority.login_token_key,
        web_app_url=state.settings.web_app_url,
    )
    return _Printed(run)
