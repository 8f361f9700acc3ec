"""HTTP/1.1 as bytes: what a server sends, spelled out, so that every rule of it can be broken."""

from __future__ import annotations

from collections.abc import Mapping

HTML = "text/html; charset=utf-8"
_REASON = "Because"


def answer(
    body: bytes | str = b"", status: int = 200, headers: Mapping[str, str | None] | None = None, *, version: str = "1.1"
) -> bytes:
    """Spell out a whole answer: HTML of the right length, after which the connection ends.

    Args:
        body: as it goes over the wire; text as UTF-8.
        status: of the answer.
        headers: these are added or win; None leaves a header out.
        version: of HTTP.
    """
    data = body.encode() if isinstance(body, str) else body
    usual = {"Content-Type": HTML, "Content-Length": str(len(data)), "Connection": "close"}
    return head({**usual, **(headers or {})}, status, version=version) + data


def head(headers: Mapping[str, str | None], status: int = 200, *, version: str = "1.1") -> bytes:
    """Spell out the head of an answer, with these headers alone."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"HTTP/{version} {status} {_REASON}\r\n{lines}\r\n".encode("latin-1")


def redirect(location: str, status: int = 302, headers: Mapping[str, str | None] | None = None) -> bytes:
    """Spell out a redirect."""
    return answer(b"", status, {"Location": location, "Content-Type": None, **(headers or {})})


def page(text: str = "One python.", *, title: str = "A page of the lab", more_head: str = "") -> str:
    """Write an HTML page; with its usual text it has the word python once."""
    return f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>{title}</title>{more_head}<body><p>{text}"
