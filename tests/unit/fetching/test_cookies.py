from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.fetching.cookies import MAX_COOKIES, MAX_HEADER_BYTES, ChainCookies
from shared.urls import normalize

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOME = "https://www.example.org/shop/cart?x=/y"


def sent(fields: list[str], to: str, *, at: str = HOME, later_s: float = 0) -> str:
    """Take cookies from one address and return what another is sent."""
    now = NOW
    jar = ChainCookies(lambda: now)
    jar.take(normalize(at), fields)
    now += timedelta(seconds=later_s)
    return jar.header(normalize(to))


@pytest.mark.parametrize(
    ("field", "pair"),
    [
        ("id=1", "id=1"),
        (" id = 1 ; Path=/", "id=1"),
        ('id="a b"', 'id="a b"'),
        ("id=a=b", "id=a=b"),
        ("id=", "id="),
        ("=1", "1"),
        ("1", "1"),
        ("id=é", "id=é"),
        ("id=1; SameSite=Strict; HttpOnly; Partitioned; Priority=High; junk; =", "id=1"),
        ("id=1; Secure", "id=1"),
        ("id=1; Max-Age=60", "id=1"),
        ("id=1; Max-Age=soon", "id=1"),
        ("id=1; Expires=Thu, 01 Jan 2026 12:00:01 GMT", "id=1"),
        ("id=1; Expires=tomorrow", "id=1"),
        ("id=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "id=1"),
        ("__Secure-id=1; Secure", "__Secure-id=1"),
        ("__Host-id=1; Secure; Path=/", "__Host-id=1"),
        ("id=" + "x" * 4094, "id=" + "x" * 4094),
        # what a browser does not keep
        ("", ""),
        (" ; Path=/", ""),
        ("=", ""),
        ("id=a\x01b", ""),
        ("id=a\udcffb", ""),
        ("id=" + "x" * 4095, ""),
        ("id=" + "é" * 2048, ""),
        ("id=1; Max-Age=0", ""),
        ("id=1; Max-Age=-1; Expires=Thu, 01 Jan 2099 00:00:00 GMT", ""),
        ("id=1; Expires=Thu, 01-Jan-1970 00:00:00 GMT", ""),
        ("__Secure-id=1", ""),
        ("__host-id=1; Secure; Path=/; Domain=example.org", ""),
        ("__Host-id=1; Secure", ""),
    ],
)
def test_what_is_kept(field: str, pair: str) -> None:
    assert sent([field], HOME) == pair


@pytest.mark.parametrize(
    ("domain", "to", "goes"),
    [
        ("", "www.example.org", True),
        ("", "WWW.example.org:8443", True),
        ("", "example.org", False),
        ("", "a.www.example.org", False),
        ("example.org", "example.org", True),
        (".Example.ORG", "a.b.example.org", True),
        ("example.org", "badexample.org", False),
        ("example.org", "example.org.evil.test", False),
        ("www.example.org", "a.www.example.org", True),
        ("other.example.org", "other.example.org", False),
        ("evil.test", "evil.test", False),
        ("evil.test", "www.example.org", False),
        ("org", "www.example.org", False),
        ("org", "other.org", False),
        (".", "www.example.org", True),
    ],
)
def test_which_hosts_it_goes_to(domain: str, to: str, goes: bool) -> None:
    assert sent([f"id=1; Path=/; Domain={domain}"], f"https://{to}/") == ("id=1" if goes else "")


@pytest.mark.parametrize(
    ("at", "domain", "to", "goes"),
    [
        ("a.co.uk", "co.uk", "b.co.uk", False),
        ("a.com.au", ".com.au", "a.com.au", False),
        ("shop.a.co.uk", "a.co.uk", "a.co.uk", True),
        ("go.dev", "go.dev", "a.go.dev", True),
        ("t.co", "t.co", "t.co", True),
        ("co.uk", "co.uk", "co.uk", True),
        ("co.uk", "co.uk", "a.co.uk", False),
        ("localhost", "localhost", "localhost", True),
        ("127.0.0.1", "", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "0.0.1", "10.0.0.1", False),
        ("[::1]", "", "[::1]", True),
    ],
)
def test_nobody_sets_a_cookie_for_a_whole_registry(at: str, domain: str, to: str, goes: bool) -> None:
    field = f"id=1; Domain={domain}" if domain else "id=1"
    assert sent([field], f"http://{to}/", at=f"http://{at}/") == ("id=1" if goes else "")


@pytest.mark.parametrize(
    ("path", "to", "goes"),
    [
        ("", "/shop", True),
        ("", "/shop/", True),
        ("", "/shop/cart/more", True),
        ("", "/shopping", False),
        ("", "/", False),
        ("/", "/", True),
        ("/a", "/a?x", True),
        ("/a", "/ab", False),
        ("/a/", "/a/b", True),
        ("/a/", "/a", False),
        ("a", "/shop/x", True),
    ],
)
def test_which_paths_it_goes_to(path: str, to: str, goes: bool) -> None:
    assert sent([f"id=1; Path={path}"], f"https://www.example.org{to}") == ("id=1" if goes else "")


def test_what_is_secure_stays_with_https() -> None:
    assert sent(["id=1; Secure; Path=/"], "http://www.example.org/") == ""
    assert sent(["id=1; Secure; Path=/"], HOME, at="http://www.example.org/") == ""


def test_longer_paths_come_first_and_then_older_cookies() -> None:
    fields = ["a=1; Path=/", "b=2; Path=/shop", "c=3; Path=/", "a=4; Path=/"]
    assert sent(fields, HOME) == "b=2; a=4; c=3"


def test_a_cookie_can_be_taken_back() -> None:
    assert sent(["a=1", "b=2", "a=; Max-Age=0"], HOME) == "b=2"
    assert sent(["a=1; Path=/", "a=; Max-Age=0"], HOME) == "a=1"


def test_the_jar_is_bounded() -> None:
    many = sent([f"c{number}=1; Path=/" for number in range(MAX_COOKIES + 10)], HOME)
    assert many.split("; ") == [f"c{number}=1" for number in range(10, MAX_COOKIES + 10)]
    large = sent([f"c{number}={'x' * 4000}" for number in range(9)], HOME)
    assert len(large.split("; ")) == 2
    assert len(large) <= MAX_HEADER_BYTES


@given(st.lists(st.text()), st.sampled_from([HOME, "http://127.0.0.1/", "http://[::1]:8080/a/b/"]))
def test_no_header_breaks_the_jar(fields: list[str], address: str) -> None:
    header = sent(fields, address, at=address)
    assert len(header.encode()) <= MAX_HEADER_BYTES
    assert "\n" not in header
    assert "\r" not in header
