"""Checks pages through the HTTP API, as any client would, and shows the counts as a table."""

import http.client
import json
import time
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from deploy.sample_site.site import pages

LABEL = "demo"
WORDS = ("python",)
_WAIT_S = 30
_CHECK_WITHIN_S = 180.0  # three attempts of 30 s, and the pauses between them
_FINAL = ("done", "failed", "cancelled")


class Wanted(NamedTuple):
    """One page to check, and the counts that are known to be right (None where they are not known)."""

    url: str
    words: Sequence[str]
    expected: dict[str, int] | None = None


class DemoError(Exception):
    """The gateway does not answer as the API says."""


def of_sample_site(sample_url: str) -> list[Wanted]:
    """The pages of the sample site."""
    return [Wanted(f"{sample_url}/{page.path}", list(page.counts), page.counts) for page in pages()]


def split_words(text: str) -> list[str]:
    """The words of `WORDS="python;open source"`: parted by `;`, since a phrase has spaces."""
    return [word.strip() for word in text.split(";") if word.strip()] or list(WORDS)


def check(gateway: str, wanted: Wanted) -> dict[str, Any]:
    """Submits one check and waits for its final state.

    Raises:
        DemoError: it was refused, or is not final in time.
    """
    body = {"url": wanted.url, "words": list(wanted.words), "label": LABEL}
    deadline = time.monotonic() + _CHECK_WITHIN_S
    answer = _ask(gateway, "POST", "/api/v1/checks", body, {"Prefer": f"wait={_WAIT_S}"})
    while answer["status"] not in _FINAL:
        if time.monotonic() > deadline:
            raise DemoError(f"{wanted.url}: still {answer['status']} after {_CHECK_WITHIN_S:.0f} s")
        time.sleep(0.25)
        answer = _ask(gateway, "GET", f"/api/v1/checks/{answer['id']}")
    return answer


def _ask(
    gateway: str, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    place = urlsplit(gateway)
    # Not urllib: it would go through a proxy that the environment names.
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_WAIT_S + 15)
    try:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DemoError(f"the gateway at {gateway} gave no answer to {method} {path}: {error!r}") from error
    finally:
        connection.close()
    if not isinstance(answer, dict) or response.status not in {200, 202}:
        said = answer.get("detail") or answer.get("title") if isinstance(answer, dict) else answer
        more = "".join(f"; {field['pointer']}: {field['message']}" for field in answer.get("errors") or ())
        raise DemoError(f"the gateway answered {response.status} to {method} {path}: {said}{more}")
    return answer


def run(gateway: str, wanted: Iterable[Wanted], say: Callable[[str], None]) -> bool:
    """Checks the pages and shows the table.

    Returns:
        Whether all went well: every check done, every known count right.

    Raises:
        DemoError: the gateway does not do its part.
    """
    rows: list[tuple[str, ...]] = [("page", "word", "count", "expected", "")]
    well = True
    for one in wanted:
        answer = check(gateway, one)
        rows_of_page, page_well = _rows(one, answer)
        rows += rows_of_page
        well = well and page_well
    say(table(rows))
    return well


def _rows(wanted: Wanted, answer: dict[str, Any]) -> tuple[list[tuple[str, ...]], bool]:
    if answer["status"] != "done":
        error = answer.get("error") or {"code": answer["status"], "message": "", "hint": ""}
        told = " ".join(part for part in (error.get("message"), error.get("hint")) if part)
        return [(wanted.url, "", "none", "", f"{error['code']}: {told}")], False
    rows: list[tuple[str, ...]] = []
    well = True
    for word, count in answer["counts"].items():
        expected = None if wanted.expected is None else wanted.expected.get(word)
        right = wanted.expected is None or count == expected
        verdict = "" if wanted.expected is None else "ok" if right else "WRONG"
        rows.append((wanted.url, word, str(count), "" if expected is None else str(expected), verdict))
        well = well and right
    if wanted.expected is not None and set(answer["counts"]) != set(wanted.expected):
        rows.append((wanted.url, "", "", "", f"WRONG words: {', '.join(answer['counts'])}"))
        well = False
    return rows, well


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text if not unicodedata.combining(char)
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as lines with aligned columns, numbers to the right; the first row is the head."""
    widths = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in [rows[0], ["-" * width if head else "" for head, width in zip(rows[0], widths, strict=True)], *rows[1:]]:
        cells = []
        for cell, width in zip(row, widths, strict=True):
            space = " " * (width - _width(cell))
            cells.append(space + cell if cell.isdigit() else cell + space)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
