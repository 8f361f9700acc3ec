"""Which rule of a robots.txt decides: RFC 9309's own examples, its precedence, and whatever stands in such files."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from services.fetcher.robots.rules import MAX_BYTES, Rules, read

SITE = "http://example.com"

# RFC 9309 §5.1.
SIMPLE = b"""\
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: foobot
Disallow:/
Allow:/example/page.html
Allow:/example/allowed.gif

User-Agent: barbot
User-Agent: bazbot
Disallow: /example/page.html

User-Agent: quxbot
"""

# RFC 9309 §5.2.
LONGEST = b"""\
User-Agent: foobot
Allow: /example/page/
Disallow: /example/page/disallowed.gif
"""


def allows(body: bytes, target: str, crawler: str = "wordwatch") -> bool:
    rule = read(body, crawler).deciding(SITE + target)
    return rule is None or rule.allow


def rules(*lines: str, agent: str = "*") -> bytes:
    return "\n".join([f"User-agent: {agent}", *lines]).encode()


@pytest.mark.parametrize(
    ("token", "target", "allowed"),
    [
        ("foobot", "/", False),
        ("foobot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("foobot", "/publications/", False),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/example/page.html", False),
        ("bazbot", "/example/other.html", True),
        ("quxbot", "/", True),
        ("quxbot", "/example/a.gif", True),
        ("otherbot", "/a.gif", False),
        ("otherbot", "/a.gif?b", True),
        ("otherbot", "/example/", False),
        ("otherbot", "/publications/", True),
        ("otherbot", "/publications/a.gif", True),
        ("otherbot", "/elsewhere", True),
        ("FooBot", "/", False),
    ],
)
def test_the_simple_example_of_the_rfc(token: str, target: str, allowed: bool) -> None:
    assert allows(SIMPLE, target, token) == allowed


def test_the_longest_match_of_the_rfc() -> None:
    assert not allows(LONGEST, "/example/page/disallowed.gif", "foobot")
    assert allows(LONGEST, "/example/page/allowed.gif", "foobot")
    assert allows(LONGEST, "/example/page/disallowed.gif", "otherbot")


# RFC 9309 §2.2.2 and §2.2.3: spellings that are the same, and special characters.
@pytest.mark.parametrize(
    ("pattern", "target", "matches"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz", True),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar", True),
        ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "/foo/bar?baz=https://foo.bar", True),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84", True),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz", True),
        ("/foo/bar/baz", "/foo/bar/%62%61%7A", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", True),
        ("/path/file-with-a-%2A.html", "/path/file-with-a-b.html", False),
        ("/path/foo-%24", "/path/foo-$", True),
        ("/path/foo-%24", "/path/foo-", False),
        ("/this/*/exactly", "/this/or/that/exactly", True),
        ("/this/*/exactly", "/this/exactly", False),
        ("/a/b", "/a%2Fb", False),
        ("/a%2Fb", "/a%2fb", True),
        ("/a?b", "/a%3Fb", False),
        ("/100%25", "/100%25", True),
        ("/%2541", "/A", False),
        ("/%FF", "/%FE", False),
        ("/a%zz", "/a%zz", True),
        ("/fish", "/fish.html", True),
        ("/fish", "/Fish.html", False),
        ("/fish*", "/fishheads/yummy.html?id=1", True),
        ("/fish/", "/fish", False),
        ("/*.php", "/folder/file.php?parameters", True),
        ("/*.php$", "/file.php?parameters", False),
        ("/*.php$", "/file.php/", False),
        ("/*.php$", "/a.php/b.php", True),
        ("/fish*.php", "/fishheads/catfish.php?id=x", True),
        ("/a$", "/a", True),
        ("/a$", "/a$b", False),
        ("/a$b", "/a$b", True),
        ("/a$b", "/a", False),
        ("*", "/anything", True),
        ("$", "/", False),
        ("/$", "/", True),
        ("/**a", "/ba", True),
        ("/*a*a*a$", "/aa", False),
        ("/*aab*", "/aaab", True),
        ("/*a*ab$", "/ab", False),
        ("fish", "/fish", False),
        ("*/fish", "/a/fish", True),
        ("/", "/", True),
        ("/?", "/", False),
        ("/*?", "/a?", True),
        ("/*?*b=", "/a?x=1&b=2", True),
    ],
)
def test_what_a_rule_matches(pattern: str, target: str, matches: bool) -> None:
    assert allows(rules(f"Disallow: {pattern}"), target) == (not matches)


@pytest.mark.parametrize(
    ("lines", "target", "allowed"),
    [
        (("Allow: /p", "Disallow: /"), "/page", True),
        (("Allow: /folder", "Disallow: /folder"), "/folder/page", True),
        (("Disallow: /folder", "Allow: /folder"), "/folder/page", True),
        (("Allow: /page", "Disallow: /*.htm"), "/page.htm", False),
        (("Allow: /page", "Disallow: /*.ph"), "/page.php5", True),
        (("Allow: /$", "Disallow: /"), "/", True),
        (("Allow: /$", "Disallow: /"), "/page.htm", False),
        (("Allow: /en", "Disallow: /*?"), "/en?x", True),
        (("Allow: /e", "Disallow: /*?"), "/e?x", False),
        (("Allow: /shop", "Disallow: /*?*"), "/shop?x", True),
        (("Allow: /%41%42%43", "Disallow: /ABCD"), "/ABCD", False),
        (("Allow: /ツ", "Disallow: /*abcd"), "/%E3%83%84abcd", True),
        (("Allow: /index.html", "Disallow: /"), "/", False),
        (("Allow: ", "Disallow: /"), "/", False),
        (("Disallow:",), "/", True),
        ((), "/", True),
    ],
)
def test_the_longest_rule_decides_and_of_equals_allow(lines: tuple[str, ...], target: str, allowed: bool) -> None:
    assert allows(rules(*lines), target) == allowed


@pytest.mark.parametrize(
    ("agent", "ours"),
    [
        ("wordwatch", True),
        ("WordWatch", True),
        ("  wordwatch  ", True),
        ("wordwatch # that one", True),
        ("wordwatch/0.1", True),
        ("wordwatch (mirror)", True),
        ("*", True),
        ("word", False),
        ("w", False),
        ("wordwatch-news", False),
        ("wordwatchbot", False),
        ("mywordwatch", False),
        ("", False),
        ("ｗordwatch", False),
    ],
)
def test_which_groups_are_for_us(agent: str, ours: bool) -> None:
    assert allows(rules("Disallow: /", agent=agent), "/a") == (not ours)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: *\nDisallow: /\n\nUser-agent: wordwatch\nDisallow: /x", True),
        ("User-agent: wordwatch\nDisallow: /x\n\nUser-agent: *\nDisallow: /", True),
        ("User-agent: wordwatch\nDisallow:\n\nUser-agent: *\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: wordwatch", True),
        ("User-agent: wordwatch\nDisallow: /x\n\nUser-agent: wordwatch\nDisallow: /a", False),
        ("User-agent: *\nDisallow: /x\n\nUser-agent: *\nDisallow: /a", False),
        ("User-agent: a\nUser-agent: wordwatch\nUser-agent: b\nDisallow: /", False),
        ("User-agent: wordwatch\n\n\nUser-agent: b\n\nDisallow: /", False),
        ("User-agent: wordwatch\nCrawl-delay: 9\nUser-agent: b\nDisallow: /", False),
        ("User-agent: wordwatch\nSitemap: http://a/b\nDisallow: /", False),
        ("User-agent: wordwatch\nDisallow: /x\nSitemap: http://a/b\nDisallow: /a", False),
        ("User-agent: wordwatch\nDisallow: /x\nUser-agent: b\nDisallow: /a", True),
        ("Disallow: /\nUser-agent: wordwatch\nDisallow: /x", True),
        ("Disallow: /", True),
        ("User-agent: wordwatch\nuser-AGENT: *\nDISALLOW: /", False),
        ("  User-agent :wordwatch\n\tDisallow\t:\t/  ", False),
        ("User-agent: wordwatch\nDisallow /", False),
        ("User-agent wordwatch\nDissallow: /", False),
        ("User-agent: wordwatch\nDisallow: / # all of it", False),
        ("User-agent: wordwatch\nDisallow: #/", True),
        ("User-agent: wordwatch\nNoindex: /", True),
        ("\ufeffUser-agent: wordwatch\nDisallow: /", False),
        ("User-agent: wordwatch\rDisallow: /", False),
        ("User-agent: wordwatch\r\nDisallow: /", False),
        ("User-agent: wordwatch\nDisallow: /x\x0cDisallow: /a", True),
        ("User-agent: wordwatch\nDisallow: /x\u2028Disallow: /a", True),
        ("User-agent: wordwatch\nDisallow: /x\x85Disallow: /a", True),
        ("", True),
        ("\x00\x01\xff", True),
        (" <!DOCTYPE html><pre>\nUser-agent: *\nDisallow: /", True),
        ("<html>\nUser-agent: *\nDisallow: /", True),
    ],
)
def test_how_a_file_is_read(text: str, allowed: bool) -> None:
    assert allows(text.encode(), "/a") == allowed


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_not_allowed_but_understood(coding: str) -> None:
    mark = "" if coding == "utf-16" else "\ufeff"
    assert not allows(f"{mark}User-agent: *\nDisallow: /ツ".encode(coding), "/%E3%83%84")


def test_bytes_of_no_charset_are_compared_as_they_are() -> None:
    body = b"User-agent: *\nDisallow: /caf\xe9"
    assert not allows(body, "/caf%E9")
    assert allows(body, "/caf%C3%A9")


def test_the_query_belongs_to_what_is_compared_and_the_host_does_not() -> None:
    body = rules("Disallow: /example")
    assert Rules(read(body).ordered).deciding("http://example.com/?q=/x") is None
    assert not allows(rules("Disallow: /?q"), "/?q=1")


def test_it_tells_the_line_that_decides() -> None:
    rule = read(b"# hello\r\n\r\nUser-agent: *\r\nDisallow: /a\r\nDisallow: /ab\r\n").deciding(SITE + "/abc")
    assert rule is not None
    assert (rule.line, rule.allow) == (5, False)


def test_rfc_9309_2_5_what_is_beyond_the_limit_does_not_count() -> None:
    head, tail = b"User-agent: *\n", b"Disallow: /a\n"
    fits = head + b"#" * (MAX_BYTES - len(head) - len(tail) - 1) + b"\n" + tail
    assert len(fits) == MAX_BYTES
    assert not allows(fits, "/a")
    assert allows(head + b"#" + fits[len(head) :], "/a")  # the newline is the first that does not fit


def test_a_file_in_which_a_crawler_is_named_again_and_again_keeps_each_rule_once() -> None:
    body = b"User-agent: *\nUser-agent: wordwatch\n" * 5_000 + b"Disallow: /a\n" * 3
    assert len(read(body).ordered) == 3


def test_adjacent_wildcards_are_one() -> None:
    (rule,) = read(b"User-agent: *\nDisallow: /" + b"*" * 400_000 + b"a").ordered
    assert rule.pieces == (b"/", b"a")


# A second opinion where nobody would differ: protego reads percent signs, queries and dollars in ways of its own.
_PATTERN = st.text(alphabet="ab/*", min_size=0, max_size=8).map(lambda text: f"/{text}")
_END = st.sampled_from(["", "", "$"])
_RULE = st.tuples(st.sampled_from(["Allow", "Disallow"]), st.builds(str.__add__, _PATTERN, _END))


@given(
    ours=st.lists(_RULE, max_size=6),
    target=st.text(alphabet="ab/", max_size=12).filter(lambda text: not text.startswith("/")),
)
def test_protego_says_the_same(ours: list[tuple[str, str]], target: str) -> None:
    body = rules(*(f"{name}: {pattern}" for name, pattern in ours))
    url = f"{SITE}/{target}"
    assert allows(body, f"/{target}") == Protego.parse(body.decode()).can_fetch(url, "wordwatch")


@given(st.binary(max_size=300), st.text(alphabet=string.printable, max_size=50))
def test_whatever_comes_is_read_and_applied(body: bytes, target: str) -> None:
    read(b"User-agent: *\nDisallow: " + body).deciding(f"{SITE}/{target}")
