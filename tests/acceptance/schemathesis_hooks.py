"""What schemathesis is told of wordwatch besides the OpenAPI document; it loads this file in a process of its own.

Values of formats that only wordwatch knows are made here. And whatever is asked for, nothing leaves this machine: each
address of a check that could be fetched is exchanged for one on loopback.
"""

import itertools
import os
import zlib
from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import strategies as st

from services.gateway import headers, times
from services.gateway.fields import Invalid
from services.gateway.inputs import MAX_WORDS_BYTES
from services.gateway.problems import Problem
from services.gateway.uploads.options import split_words
from shared import urls
from shared.messages import Scope
from shared.wording import is_empty_query
from tests.acceptance.pages import HOSTS

PAGES_PORT = int(os.environ["PAGES_PORT"])
SILENT_PORT = int(os.environ["SILENT_PORT"])
"""Where connections are taken and nothing is ever said: what is asked for there can be cancelled."""
PAGES_HOSTS = [host for host in HOSTS if not host.startswith("127.0.0.")]
"""Those that fetchers may reach; the others they refuse at once."""
LONGEST_WAIT_S = 1

_numbers = itertools.count()
_UPLOADS = {
    "text/plain": f"http://{PAGES_HOSTS[0]}:{PAGES_PORT}/1\nno address\n",
    "text/csv": f"url,words\nhttp://{PAGES_HOSTS[0]}:{PAGES_PORT}/2,python;snake\n",
    "application/x-ndjson": f'{{"url": "http://{PAGES_HOSTS[0]}:{PAGES_PORT}/3"}}\n',
}
"""Bodies of which the document has no schema."""

_paths = st.sampled_from(["", "/", "/1", "/2?q=%C3%BC", "/3#top", "/ü/..", "/4?a b"]) | st.text(max_size=12).map(
    "/".__add__
)
_loopback = st.sampled_from([*PAGES_HOSTS[:9], "[::1]", "127.1", "0x7f.1", "2130706433", "LOCALHOST"])
_addresses = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["http://", "HTTP://", "https://", "", "//", "http:\\\\", " "]),
    _loopback | st.sampled_from(["example.org", "BÜCHER.example", "xn--bcher-kva.example.", "a_b.example"]),
    st.sampled_from(["", f":{PAGES_PORT}", ":80", ":443"]),
    _paths,
)


def _is_address(text: str) -> bool:
    with suppress(urls.InvalidUrl):
        return bool(urls.normalize(text))
    return False


_FORMATS = {
    "web-address": _addresses.filter(_is_address),
    "web-address-prefix": st.sampled_from(["127.", "http://127.0.0.", "https://ex", "EXAMPLE.org/a b", "bücher.de/ü"]),
    "host-or-suffix": st.sampled_from(["127.0.0.10", "Example.ORG:80", "*.org", "[::1]:8080", "bücher.de", "*.a.b"]),
    "prefer": st.sampled_from(["wait=0", "wait=1", 'WAIT="1"', "wait=1;x=y, respond-async", "respond-async", "wait=x"]),
    "idempotency-key": st.uuids().map(str) | st.uuids().map('"{}"'.format) | st.uuids().map("key of {}".format),
    "request-id": st.from_regex(r"[!-~]{1,64}", fullmatch=True),
    "cursor": st.nothing(),  # each belongs to a list: links hand them on
}
schemathesis.serializer.alias(list(_UPLOADS), "text/plain")
for name, strategy in _FORMATS.items():
    schemathesis.openapi.format(name, strategy)


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Leaves out the form with a file, as no schema says what stands in one, and the stream, which does not end."""
    del raw_schema["paths"]["/api/v1/events"]
    del raw_schema["paths"]["/api/v1/batches"]["post"]["requestBody"]["content"]["multipart/form-data"]


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leaves out what the document says in words only."""
    if not isinstance(body, dict) or not isinstance(words := body.get("words"), list):
        return True
    return _are_words([word for word in words if isinstance(word, str)], body)


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """The same of what stands in an address."""
    words = query.get("words") if isinstance(query, dict) else None
    return not isinstance(words, str) or _are_words(split_words(words), query)


def _are_words(words: list[str], asked: dict[str, Any]) -> bool:
    scope: Scope = "source" if asked.get("scope") == "source" else "text"
    sized = len("".join(words).encode()) <= MAX_WORDS_BYTES
    return bool(words) and sized and not any(is_empty_query(word, scope) for word in words)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Keeps every request on loopback, every wait short, and every key the name of one request."""
    if case.media_type in _UPLOADS:
        case.body = _UPLOADS[case.media_type]
    elif isinstance(case.body, dict):
        _keep_near(case.body)
    in_vain = isinstance(case.body, dict) and f":{SILENT_PORT}/" in str(case.body.get("url"))
    longest_wait_s = 0 if in_vain else LONGEST_WAIT_S
    prefer = case.headers.get("Prefer")
    if isinstance(prefer, str) and (headers.wait_s([prefer]) or 0) > longest_wait_s:
        case.headers["Prefer"] = f"wait={longest_wait_s}"
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and _is_key(key):
        case.headers["Idempotency-Key"] = f"{key[:200].rstrip()}.{next(_numbers)}"


def _keep_near(body: dict[str, Any]) -> None:
    """Addresses of a check or of a batch are exchanged, and times that are further ahead than may be."""
    items = body.get("items")
    for each in (body, *(items if isinstance(items, list) else ())):
        if isinstance(each, dict) and isinstance(each.get("url"), str):
            each["url"] = on_loopback(each["url"])
    if isinstance(body.get("run_at"), str):
        with suppress(Invalid):
            times.parse(body["run_at"])
            body["run_at"] = "2026-01-31T18:00:00+01:00"


def _is_key(text: str) -> bool:
    with suppress(Problem):
        return headers.idempotency_key([text]) is not None
    return False


def on_loopback(url: str) -> str:
    """The address itself if it leads nowhere or to this machine, else that of a page here."""
    try:
        address = urls.normalize(url)
    except urls.InvalidUrl:
        return url
    if address.host.startswith("127.") or address.host in {"[::1]", "localhost"}:
        return url
    number = zlib.crc32(url.encode()) % 1000
    host = PAGES_HOSTS[number % len(PAGES_HOSTS)]
    return (f"http://{host}:{PAGES_PORT}/{number}", f"http://{host}:{SILENT_PORT}/", "http://[::1]/")[number % 3]
