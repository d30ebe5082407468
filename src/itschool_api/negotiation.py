"""Which form of an answer a client likes best (RFC 9110, section 12.5.1)."""

from collections.abc import Sequence

from itschool_api import errors
from itschool_api.quality import Wish, wishes


def preferred(accept: str | None, offered: Sequence[str]) -> str:
    """Choose by the client's quality, then by its order, then by ours; raises `NotAcceptable`.

    Of several ranges that a form is in, the most specific one counts.
    """
    asked = wishes(accept or "*/*")
    best: tuple[int, int, int] | None = None
    chosen = ""
    for rank, form in enumerate(offered):
        found = _most_specific(asked, form)
        if found is None or found.quality == 0:
            continue
        order = (found.quality, -found.place, -rank)
        if best is None or order > best:
            best, chosen = order, form
    if best is None:
        raise errors.NotAcceptable(f"Accept one of {', '.join(offered)}.")
    return chosen


def _most_specific(asked: Sequence[Wish], form: str) -> Wish | None:
    for media_range in (form, f"{form.partition('/')[0]}/*", "*/*"):
        for wish in asked:
            if wish.name == media_range:
                return wish
    return None
