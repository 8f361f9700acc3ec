"""What must not be shown: passwords in URLs, and what PostgreSQL quotes of rows in its errors. Pure."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, unquote

HIDDEN: Final = "…"
LEAST_SECRET: Final = 6
"""A shorter one would be found by chance in half of all lines; where it stands in a URL it is hidden all the same."""

_USERINFO: Final = re.compile(r'(?<=://)[^\s/?#"<>]{1,1000}@')
# A row may hold line breaks. What ends it is PostgreSQL's hint, or the next exception of a traceback.
_DETAIL: Final = re.compile(
    r"DETAIL: .*?(?=\nHINT: |\n\n(?:During handling of|The above exception was) |\Z)", re.DOTALL
)


class Redactor:
    """Hides known secrets wherever they stand, the userinfo of any URL, and the DETAIL of PostgreSQL's errors.

    The latter quotes rows ("Failing row contains …"), and with them whatever a caller has sent.

    Args:
        secrets: What is known to be one; those shorter than `LEAST_SECRET` are passed over.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({each for each in secrets if len(each) >= LEAST_SECRET}, key=len, reverse=True)
        # What no escaping changes: the longest run of plain characters in each.
        self._marks = [max(re.split(r"[^A-Za-z0-9]+", each), key=len) for each in self._secrets]

    def suspects(self, text: str) -> bool:
        """Whether the text may hold something to hide, written as it is or escaped.

        It is a quick look, since hardly any text does.
        """
        return ("://" in text and "@" in text) or "DETAIL:" in text or any(mark in text for mark in self._marks)

    def __call__(self, text: str) -> str:
        """The text without it."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _DETAIL.sub(f"DETAIL: {HIDDEN}", _USERINFO.sub(f"{HIDDEN}@", text))


def hide_password(database_url: str) -> str:
    """The URL of a database as it may be shown; also one that an `@`, `/` or `?` in it makes unreadable."""
    begin, userinfo, rest = _parts(database_url)
    user, colon, _ = userinfo.partition(":")
    shown = f"{begin}{user}{colon}{HIDDEN if colon else ''}{rest}"
    return re.sub(r"(password=)[^&]*", rf"\1{HIDDEN}", shown, flags=re.IGNORECASE)


def secrets_of(database_url: str) -> set[str]:
    """The passwords in the URL of a database: as written, decoded, and the pieces that a malformed one falls into."""
    _, userinfo, rest = _parts(database_url)
    _, _, password = userinfo.partition(":")
    written = {password, *re.split(r"[/#?@:\[\]]", password)}
    written |= {value for name, value in parse_qsl(rest.partition("?")[2]) if "password" in name.lower()}
    return {form for each in written for form in (each, unquote(each)) if form}


def _parts(database_url: str) -> tuple[str, str, str]:
    """What stands before the userinfo, the userinfo, and the rest with its `@`."""
    scheme, slashes, rest = database_url.partition("://")
    place, _, _ = rest.partition("?")
    end = place.rfind("@") if "@" in place else rest.rfind("@")
    return (scheme + slashes, rest[:end], rest[end:]) if end >= 0 else (scheme + slashes, "", rest)
