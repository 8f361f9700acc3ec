"""docs/errors.md, made from the table of errors: `python -m shared.errors_page` prints it."""

from collections.abc import Iterator

from shared.errors import ERRORS, MAX_RETRY_AFTER_S, RETRIED_STATUSES, Retry
from shared.settings import Settings

_AGAIN = {
    Retry.YES: "yes",
    Retry.NO: "no",
    Retry.BY_STATUS: f"{', '.join(str(status) for status in sorted(RETRIED_STATUSES))} and 5xx",
    Retry.ONCE: "once, at once",
}
_ABOUT = """\
# When there is no count

Made from `shared/errors.py` by `make errors`: change that, not this page.

A check that failed has one of these codes and no counts (`null`, never 0). Programs go by the code, which stays; the
words are for people and may change. A request that the gateway itself refuses is another matter: see
[the API](api.md#when-it-goes-wrong).
"""
_AFTER = """\

## Tried again by itself

What may pass is tried up to {attempts} times in all (`WORDWATCH_MAX_ATTEMPTS`); the last attempt's error is the
check's. The second follows after {base:g} s (`WORDWATCH_RETRY_BASE_S`), the third after {later:g} s, each up to a
half more or less by chance. After `rate_limited` the whole host rests for as long as its `Retry-After` says,
{hours:g} h at most. Attempts that were lost with their fetcher do not count. For what does not pass by itself, mend
the cause and begin anew: "Check again" on the page of the check, or `POST /api/v1/checks/{{id}}/retry`.

## Hints by HTTP status

Where the status says more than the code, so does the hint.

| code | status | what to do |
|---|---|---|
"""
_TRY = """
## See one for yourself

`make lab` opens servers that misbehave in every way that a server can bring one of these about: [The lab](lab.md).
"""


def page() -> str:
    """The whole page, as Markdown."""
    defaults = Settings()
    after = _AFTER.format(
        attempts=defaults.max_attempts,
        base=defaults.retry_base_s,
        later=4 * defaults.retry_base_s,
        hours=MAX_RETRY_AFTER_S / 3600,
    )
    return f"{_ABOUT}\n{_lines(_codes())}{after}{_lines(_statuses())}{_TRY}"


def _lines(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _codes() -> Iterator[str]:
    yield "| code | what happened | what to do | tried again |"
    yield "|---|---|---|---|"
    for kind in ERRORS.values():
        yield f"| `{kind.code}` | {kind.sentence} | {kind.hint} | {_AGAIN[kind.retry]} |"


def _statuses() -> Iterator[str]:
    for kind in ERRORS.values():
        yield from (f"| `{kind.code}` | {_range(statuses)} | {hint} |" for statuses, hint in kind.by_status)


def _range(statuses: range) -> str:
    first, last = statuses[0], statuses[-1]
    return f"{first}" if first == last else f"{first} to {last}"


if __name__ == "__main__":
    print(page(), end="")
