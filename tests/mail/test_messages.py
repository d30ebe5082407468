"""What the e-mails say, to whom, and that nobody's name can bend them."""

import email
import re
from datetime import UTC, datetime
from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itschool_api.languages import Language
from itschool_api.mail.messages import (
    WITH_TOKEN,
    InvalidMail,
    Kind,
    Login,
    Occasion,
    write,
)

SOPHIE = Login(name="Sophie Lefèvre", user_name="sophie.lefevre", token="K7QF-2M9X")
MARC = Login(name="Marc Dupont", user_name="marc.dupont", token="P4TD-8W3R")
TOLD = Login(name="Sophie", user_name="sophie.lefevre")
NINE_IN_BRUSSELS = datetime(2026, 12, 1, 8, 5, tzinfo=UTC)


def occasion(**changes: Any) -> Occasion:
    facts: dict[str, Any] = {
        "key": "login-token.0199",
        "language": "fr",
        "school": "École Saint-Exupéry",
        "time_zone": ZoneInfo("Europe/Brussels"),
        "sender": "iT-School <no-reply@itschool.example>",
        "recipient": "sophie@example.org",
        "reply_to": "secretariat@ecole.example",
        "web_app_url": "https://app.example/login",
        "sent_at": datetime(2026, 11, 24, 7, 0, tzinfo=UTC),
    }
    return Occasion(**(facts | changes))


def read_back(message: EmailMessage) -> EmailMessage:
    """The message as a mail program sees it after its journey."""
    return email.message_from_bytes(message.as_bytes(policy=policy.SMTP), policy=policy.default)


def part(message: EmailMessage, kind: str) -> str:
    body = read_back(message).get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def plain(message: EmailMessage) -> str:
    return re.sub(r"[ \u00a0]+", " ", part(message, "plain"))


@pytest.mark.parametrize(
    ("language", "subject", "expected"),
    [
        (
            "fr",
            "École Saint-Exupéry : votre accès à la plateforme en ligne",
            [
                "Bonjour Sophie Lefèvre,",
                "Nom d\u2019utilisateur : sophie.lefevre\n",
                "Jeton de connexion : K7QF-2M9X\n",
                "jusqu\u2019au mardi 1er décembre 2026 à 09:05.",
            ],
        ),
        (
            "nl",
            "Uw toegang tot het platform van École Saint-Exupéry",
            [
                "Dag Sophie Lefèvre,",
                "Gebruikersnaam: sophie.lefevre\n",
                "Aanmeldcode: K7QF-2M9X\n",
                "tot dinsdag 1 december 2026 om 09:05 uur.",
            ],
        ),
        (
            "de",
            "Ihr Zugang zur Plattform: École Saint-Exupéry",
            [
                "Guten Tag Sophie Lefèvre,",
                "Benutzername: sophie.lefevre\n",
                "Anmeldecode: K7QF-2M9X\n",
                "bis Dienstag, 1. Dezember 2026, 09:05 Uhr.",
            ],
        ),
        (
            "en",
            "Your access to the online platform of École Saint-Exupéry",
            [
                "Hello Sophie Lefèvre,",
                "User name: sophie.lefevre\n",
                "Login token: K7QF-2M9X\n",
                "until Tuesday, 1 December 2026 at 09:05.",
            ],
        ),
    ],
)
def test_an_invitation_speaks_the_readers_language_and_time(
    language: Language, subject: str, expected: list[str]
) -> None:
    message = write(Kind.INVITATION, occasion(language=language), (SOPHIE,), at=NINE_IN_BRUSSELS)
    assert read_back(message)["Subject"] == subject
    assert read_back(message)["Content-Language"] == language
    for words in [*expected, "https://app.example/login#token=K7QF-2M9X\n"]:
        assert words in plain(message)
    assert f'<html lang="{language}">' in part(message, "html")
    assert 'href="https://app.example/login#token=K7QF-2M9X"' in part(message, "html")


@pytest.mark.parametrize("language", ["fr", "nl", "de", "en"])
def test_a_forgotten_password_is_told_otherwise_than_an_invitation(language: Language) -> None:
    where = occasion(language=language)
    forgotten = write(Kind.LOGIN_TOKEN, where, (SOPHIE,), at=NINE_IN_BRUSSELS)
    invited = write(Kind.INVITATION, where, (SOPHIE,), at=NINE_IN_BRUSSELS)
    assert forgotten["Subject"] != invited["Subject"]
    assert plain(forgotten) != plain(invited)
    assert "K7QF-2M9X" in plain(forgotten)


def test_one_address_of_two_users_gets_each_user_name_with_its_own_token() -> None:
    message = write(Kind.LOGIN_TOKEN, occasion(), (SOPHIE, MARC), at=NINE_IN_BRUSSELS)
    text = plain(message)
    assert "Bonjour Sophie Lefèvre et Marc Dupont," in text
    for login in (SOPHIE, MARC):
        assert (
            f"{login.name}\nNom d\u2019utilisateur : {login.user_name}\n"
            f"Jeton de connexion : {login.token}\n"
            f"https://app.example/login#token={login.token}\n"
        ) in text
        assert f"#token={login.token}" in part(message, "html")


def test_a_user_without_a_name_is_greeted_all_the_same() -> None:
    nameless = Login(name=" ", user_name="x", token="t")
    message = write(Kind.LOGIN_TOKEN, occasion(), (nameless,), at=NINE_IN_BRUSSELS)
    assert plain(message).startswith("Bonjour,\n")


def test_the_token_is_in_the_fragment_and_never_in_what_a_server_sees() -> None:
    where = occasion(web_app_url="https://app.example/login?school=1")
    odd = Login(name="", user_name="x", token="a/b#c?d&e é")
    text = plain(write(Kind.LOGIN_TOKEN, where, (odd,), at=NINE_IN_BRUSSELS))
    link = next(line for line in text.splitlines() if line.startswith("https://"))
    before, _, fragment = link.partition("#")
    assert before == "https://app.example/login?school=1"
    assert fragment == "token=a%2Fb%23c%3Fd%26e%20%C3%A9"


def test_the_headers_are_those_of_an_automatic_message_of_the_school() -> None:
    message = read_back(write(Kind.INVITATION, occasion(), (SOPHIE,), at=NINE_IN_BRUSSELS))
    assert message["From"] == "École Saint-Exupéry <no-reply@itschool.example>"
    assert message["Reply-To"] == "École Saint-Exupéry <secretariat@ecole.example>"
    assert message["To"] == "sophie@example.org"
    assert message["Date"] == "Tue, 24 Nov 2026 07:00:00 +0000"
    assert message["Message-ID"] == "<login-token.0199@itschool.example>"
    assert message["Auto-Submitted"] == "auto-generated"


NAMES = st.text(st.sampled_from("abÉéïßœ\u2019'\"(),.:;@<>\\ -"), max_size=120)


@given(school=NAMES)
def test_no_name_is_bent_on_the_way(school: str) -> None:
    """Blanks between words with accents too, which Python's own folding loses."""
    message = write(Kind.PASSWORD_CHANGED, occasion(school=school), (TOLD,), at=NINE_IN_BRUSSELS)
    name = " ".join(school.split())
    head = message.as_bytes(policy=policy.SMTP).partition(b"\r\n\r\n")[0].decode("ascii")
    assert all(len(line) <= 78 for line in head.split("\r\n"))
    assert "?==?" not in head
    assert decoded(head, "Subject") == f"{name} : votre mot de passe a été modifié".strip()
    for header in ("From", "Reply-To"):
        assert decoded(head, header).rpartition(" <")[0].strip() == name


def decoded(head: str, header: str) -> str:
    """Return a header as RFC 2047 reads it, by itself: Python's reader has faults of its own."""
    lines = re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n")
    (unfolded,) = (line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{header}:"))
    if "=?" not in unfolded:
        quoted = re.match(r'"((?:[^"\\]|\\.)*)"', unfolded)
        return re.sub(r"\\(.)", r"\1", quoted[1]) + unfolded[quoted.end() :] if quoted else unfolded
    joined = re.sub(r"(\?=)\s+(=\?)", r"\1\2", unfolded)
    return re.sub(
        r"=\?[^?]+\?[bq]\?[^?]*\?=",
        lambda word: str(make_header(decode_header(word[0]))),
        joined,
    )


def test_the_same_facts_give_the_same_bytes() -> None:
    first, second = (
        write(Kind.LOGIN_TOKEN, occasion(), (SOPHIE,), at=NINE_IN_BRUSSELS).as_bytes()
        for _ in range(2)
    )
    assert first == second


def test_no_line_is_longer_than_mail_servers_take() -> None:
    message = write(
        Kind.LOGIN_TOKEN, occasion(school="École " * 300), (SOPHIE,), at=NINE_IN_BRUSSELS
    )
    assert max(map(len, message.as_bytes().splitlines())) <= 998  # RFC 5322 section 2.1.1


def test_a_name_with_line_ends_adds_no_header() -> None:
    message = write(
        Kind.INVITATION,
        occasion(school="École\r\nBcc: thief@example.net"),
        (Login(name="Ann\r\nBcc: x@example.net", user_name="ann\nroot", token="t"),),
        at=NINE_IN_BRUSSELS,
    )
    headers = read_back(message)
    assert headers["Bcc"] is None
    assert headers["From"] == '"École Bcc: thief@example.net" <no-reply@itschool.example>'
    assert "Nom d\u2019utilisateur : ann root\n" in plain(message)


def test_a_name_with_markup_is_escaped_in_html_and_literal_in_plain_text() -> None:
    name = '<img src=x onerror="a()"> & {{ 7*7 }}'
    message = write(
        Kind.INVITATION,
        occasion(school=name),
        (Login(name=name, user_name=name, token="t"),),
        at=NINE_IN_BRUSSELS,
    )
    assert name in plain(message)
    assert "<img" not in part(message, "html")
    assert "&lt;img src=x onerror=&#34;a()&#34;&gt; &amp; {{ 7*7 }}" in part(message, "html")


@pytest.mark.parametrize(
    "changes",
    [
        {"recipient": "sophie@example.org\r\nBcc: thief@example.net"},
        {"recipient": "sophie@example.org, thief@example.net"},
        {"recipient": "sophie"},
        {"recipient": ""},
        {"sender": "nobody"},
        {"reply_to": "x@y.example\nBcc: z@example.net"},
        {"key": "a b"},
        {"key": "a>\r\nBcc: z@example.net"},
        {"key": ""},
        {"web_app_url": "https://app.example/#/login"},
        {"web_app_url": "javascript:alert(1)"},
        {"web_app_url": "/login"},
    ],
)
def test_facts_that_are_not_fit_for_a_message_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(InvalidMail):
        write(Kind.INVITATION, occasion(**changes), (SOPHIE,), at=NINE_IN_BRUSSELS)


def test_a_message_without_any_login_is_refused() -> None:
    with pytest.raises(InvalidMail, match="no login"):
        write(Kind.LOGIN_TOKEN, occasion(), (), at=NINE_IN_BRUSSELS)


@pytest.mark.parametrize("language", ["fr", "nl", "de", "en"])
def test_every_kind_has_words_of_its_own_in_every_language(language: Language) -> None:
    told = [
        write(
            kind,
            occasion(language=language),
            (SOPHIE if kind in WITH_TOKEN else TOLD,),
            at=NINE_IN_BRUSSELS,
            about="0199-42",
        )
        for kind in Kind
    ]
    assert len({str(message["Subject"]) for message in told}) == len(Kind)
    assert len({plain(message) for message in told}) == len(Kind)
    for message in told:
        words, shown = plain(message), part(message, "html")
        assert "sophie.lefevre" in words
        assert "sophie.lefevre" in shown
        assert "École Saint-Exupéry" in str(message["Subject"])
        assert not re.search(r"\n\n\n|[{}%]| \n|None", words)


@pytest.mark.parametrize(
    ("kind", "fragment"),
    [
        (Kind.INVITATION, "#token=K7QF-2M9X"),
        (Kind.LOGIN_TOKEN, "#token=K7QF-2M9X"),
        (Kind.OFFER, "#offer=0199-42"),
        (Kind.EXPORT_READY, "#export=0199-42"),
        (Kind.EMAIL_CONFIRMATION, "#email=K7QF-2M9X"),
    ],
)
def test_a_link_leads_to_what_it_is_about(kind: Kind, fragment: str) -> None:
    whose = SOPHIE if kind in WITH_TOKEN else TOLD
    message = write(kind, occasion(), (whose,), at=NINE_IN_BRUSSELS, about="0199-42")
    assert f"https://app.example/login{fragment}\n" in plain(message)
    assert f'href="https://app.example/login{fragment}"' in part(message, "html")


def test_a_token_is_told_where_it_belongs_and_nowhere_else() -> None:
    for kind, login in ((Kind.INVITATION, TOLD), (Kind.PASSWORD_CHANGED, SOPHIE)):
        with pytest.raises(InvalidMail, match="token"):
            write(kind, occasion(), (login,), at=NINE_IN_BRUSSELS)


@pytest.mark.parametrize("kind", [Kind.PASSWORD_CHANGED, Kind.SECOND_FACTOR_CHANGED])
def test_a_warning_says_when_and_has_no_link(kind: Kind) -> None:
    """A warning with a link teaches people to click in what looks like one."""
    message = write(kind, occasion(), (TOLD,), at=NINE_IN_BRUSSELS)
    assert "mardi 1er décembre 2026 à 09:05" in plain(message)
    assert "http" not in plain(message)
    assert "href" not in part(message, "html")


def test_a_code_for_an_address_is_not_called_a_login_token() -> None:
    message = write(Kind.EMAIL_CONFIRMATION, occasion(), (SOPHIE,), at=NINE_IN_BRUSSELS)

    assert "Code de confirmation : K7QF-2M9X\n" in plain(message)
    assert "#token=" not in plain(message)
