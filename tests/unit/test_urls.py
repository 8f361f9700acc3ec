import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from shared.urls import MAX_URL_CHARS, Address, InvalidUrl, host_key_as_set, normalize, resolve

NORMAL_FORMS = [
    ("http://example.org", "http://example.org/"),
    ("example.org/about", "http://example.org/about"),
    ("  https://example.org/a \n", "https://example.org/a"),
    ("HTTP://EXAMPLE.org/A", "http://example.org/A"),
    ("//example.org/a", "http://example.org/a"),
    ("python", "http://python/"),
    # No scheme, although it looks like one.
    ("example.org:8080/x", "http://example.org:8080/x"),
    ("localhost:3000", "http://localhost:3000/"),
    ("localhost:3000?a=b", "http://localhost:3000/?a=b"),
    ("http:8080/x", "http://http:8080/x"),
    ("[::1]:8080/x", "http://[::1]:8080/x"),
    ("example.org:", "http://example.org/"),
    # Ports.
    ("http://example.org:80/", "http://example.org/"),
    ("https://example.org:443/", "https://example.org/"),
    ("http://example.org:443/", "http://example.org:443/"),
    ("https://example.org:80/", "https://example.org:80/"),
    ("http://example.org:/", "http://example.org/"),
    ("http://example.org:0080/", "http://example.org/"),
    # Names.
    ("http://bücher.example/", "http://xn--bcher-kva.example/"),
    ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
    ("http://faß.example/", "http://xn--fa-hia.example/"),
    ("http://日本語。例え/", "http://xn--wgv71a119e.xn--r8jz45g/"),
    ("http://☕.example/", "http://xn--53h.example/"),
    ("http://ex%61mple.org/", "http://example.org/"),
    ("http://a_b.example.org/", "http://a_b.example.org/"),
    ("http://example.org./", "http://example.org./"),
    # IP addresses in every spelling that a browser takes.
    ("http://2130706433/", "http://127.0.0.1/"),
    ("http://0x7f.1/", "http://127.0.0.1/"),
    ("http://0177.0.0.01/", "http://127.0.0.1/"),
    ("http://127.1/", "http://127.0.0.1/"),
    ("http://127.0.0.1./", "http://127.0.0.1/"),
    ("http://１２７.0.0.1/", "http://127.0.0.1/"),
    ("http://%31%32%37.0.0.1/", "http://127.0.0.1/"),
    ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
    ("http://[::FFFF:127.0.0.1]/", "http://[::ffff:7f00:1]/"),
    # Paths.
    ("http://example.org/a/../b/./c", "http://example.org/b/c"),
    ("http://example.org/../../a", "http://example.org/a"),
    ("http://example.org/%2e%2E/a", "http://example.org/a"),
    ("http://example.org//a//", "http://example.org//a//"),
    ("http://example.org/a b", "http://example.org/a%20b"),
    ("http://example.org/ü", "http://example.org/%C3%BC"),
    ("http://example.org/%7e~%c3%bc", "http://example.org/%7e~%c3%bc"),
    ("http:\\\\example.org\\a", "http://example.org/a"),
    # Queries and fragments.
    ("http://example.org?a", "http://example.org/?a"),
    ("http://example.org/?a=%7e&b=+%2F", "http://example.org/?a=%7e&b=+%2F"),
    ("http://example.org/?b=2&a=1&a=1", "http://example.org/?b=2&a=1&a=1"),
    ("http://example.org/?a=../b&&=;|{}", "http://example.org/?a=../b&&=;|{}"),
    ("http://example.org/?%ff%zz", "http://example.org/?%ff%zz"),
    ("http://example.org/?a=é 'x'", "http://example.org/?a=%C3%A9%20%27x%27"),
    ("http://example.org/?a=?", "http://example.org/?a=?"),
    ("http://example.org/?", "http://example.org/"),
    ("http://example.org/?#a", "http://example.org/"),
    ("http://example.org/a#b?c", "http://example.org/a"),
    ("http://example.org/a?b#c#d", "http://example.org/a?b"),
]


@pytest.mark.parametrize(("raw", "normal"), NORMAL_FORMS)
def test_normal_form(raw: str, normal: str) -> None:
    assert normalize(raw).url == normal


@pytest.mark.parametrize(("raw", "normal"), NORMAL_FORMS)
def test_the_http_client_sends_the_normal_form_unchanged(raw: str, normal: str) -> None:
    url = URL(normalize(raw).url, encoded=True)
    assert f"{url.scheme}://{url.raw_authority}{url.raw_path_qs}" == normal


REFUSED = [
    ("", "empty"),
    (" \t\n", "empty"),
    ("mailto:a@example.org", "begins with mailto:"),
    ("ftp://example.org/", "begins with ftp:"),
    ("javascript:alert(1)", "begins with javascript:"),
    ("file:///etc/passwd", "begins with file:"),
    ("data:text/html,python", "begins with data:"),
    ("ws://example.org", "begins with ws:"),
    ("C:\\page.html", "begins with c:"),
    ("http://user:secret@example.org/", "user name"),
    ("http://user@example.org/", "user name"),
    ("somebody@example.org", "user name"),
    ("/etc/passwd", "no host name"),
    ("?a=b", "no host name"),
    ("#top", "no host name"),
    ("http://", "no host name"),
    ("http://:80/", "no host name"),
    ("http://example.org:65536/", "has a port"),
    ("http://example.org:http/", "has a port"),
    ("http://example.org:0/", "port 0"),
    ("::1", "without brackets"),
    ("http://[::1", "not valid"),
    ("http://[fe80::1%25eth0]/", "not valid"),
    ("http://256.1.1.1/", "not valid"),
    ("http://1.2.3.4.5/", "not valid"),
    ("two words.org", "blank in the host name"),
    ("http://exa<mple.org/", "not valid"),
    ("http://exa\x00mple.org/", "not valid"),
    ("http://a..b/", "empty part"),
    ("http://.example.org/", "empty part"),
    ("http://example.org../", "empty part"),
    ("http://./", "empty part"),
    ("http://a,b.org/", "not allowed there"),
    ("http://*.example.org/", "not allowed there"),
    ("http://" + "a" * 64 + ".org/", "more than 63"),
    ("http://" + "a." * 127 + "org/", "more than 253"),
    ("http://example.org/\ud800", "no text"),
    ("http://example.org/" + "a" * MAX_URL_CHARS, "longer than 2,048 characters"),
    ("http://example.org/" + "é" * 1000, "in its normal form"),
]


@pytest.mark.parametrize(("raw", "reason"), REFUSED)
def test_refused_with_a_reason(raw: str, reason: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        normalize(raw)
    assert reason in caught.value.reason


def test_the_longest_address_is_taken() -> None:
    longest = "http://example.org/".ljust(MAX_URL_CHARS, "a")
    assert normalize(longest).url == longest
    with pytest.raises(InvalidUrl):
        normalize(longest + "a")


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("http://Example.org/a", "example.org"),
        ("https://example.org/b", "example.org"),
        ("http://example.org:443/", "example.org"),
        ("http://example.org./", "example.org"),
        ("http://example.org:8080/", "example.org:8080"),
        ("https://example.org.:8443/", "example.org:8443"),
        ("http://www.example.org/", "www.example.org"),
        ("http://[::1]/", "[::1]"),
        ("http://[::1]:8080/", "[::1]:8080"),
        ("http://0x7f.1:8080/", "127.0.0.1:8080"),
    ],
)
def test_rule_6_the_host_key_has_the_port_unless_it_is_80_or_443(raw: str, key: str) -> None:
    assert normalize(raw).host_key == key


def test_parts() -> None:
    assert normalize("https://Example.org/a") == Address(
        url="https://example.org/a", scheme="https", host="example.org", port=443, host_key="example.org"
    )


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "http://example.org:8080/b"),
        ("b", "http://example.org:8080/dir/b"),
        ("../b?x#y", "http://example.org:8080/b?x"),
        ("?x", "http://example.org:8080/dir/page?x"),
        ("//other.example/b", "http://other.example/b"),
        ("https://other.example:443", "https://other.example/"),
        (" /b ", "http://example.org:8080/b"),
        ("/ü", "http://example.org:8080/%C3%BC"),
        ("/\udcfc?\udcfc", "http://example.org:8080/%FC?%FC"),
        ("localhost:3000", None),
        ("mailto:a@example.org", None),
        ("ftp://example.org/", None),
        ("http://user:secret@example.org/", None),
        ("http://a..b/", None),
        ("http://[::1", None),
        ("http://\udcfc.example/", None),
        ("/\ud800", None),
        ("", None),
    ],
)
def test_resolve(location: str, target: str | None) -> None:
    base = normalize("http://example.org:8080/dir/page?q")
    if target is None:
        with pytest.raises(InvalidUrl):
            resolve(base, location)
    else:
        assert resolve(base, location).url == target


def test_a_redirect_may_be_longer_than_what_a_person_may_write() -> None:
    base = normalize("http://example.org/")
    assert len(resolve(base, "/" + "a" * 4_000).url) > MAX_URL_CHARS
    with pytest.raises(InvalidUrl):
        resolve(base, "/" + "a" * 8_192)


_PIECES = st.sampled_from([
    "http:", "https:", "ftp:", "/", "//", "\\", "@", ":", "?", "#", "%", "%2e", "..", ".", "[", "]", "::1", "xn--",
    "0x7f", "example", "ü", "ß", "例え", "80", "443", "8080", " ", "\t", "\x00", "\u00ad", "\ud800", "&a=b", "+", "|",
])  # fmt: skip
_ANYTHING = st.one_of(st.text(), st.lists(_PIECES, max_size=12).map("".join))


@given(_ANYTHING)
@example("http:/\\:?")
@example("https:443")
def test_normalize_is_idempotent_and_raises_nothing_else(raw: str) -> None:
    try:
        address = normalize(raw)
    except InvalidUrl:
        return
    assert normalize(address.url) == address
    assert address.url.isascii()
    assert address.url.startswith((f"{address.scheme}://{address.host}/", f"{address.scheme}://{address.host}:"))


@given(_ANYTHING)
def test_every_normal_form_reaches_the_wire_as_it_is(raw: str) -> None:
    try:
        address = normalize(raw)
    except InvalidUrl:
        return
    url = URL(address.url, encoded=True)
    assert f"{url.scheme}://{url.raw_authority}{url.raw_path_qs}" == address.url
    assert url.port == address.port
    assert url.raw_host == address.host.strip("[]")


@given(_ANYTHING)
def test_resolve_raises_nothing_else(location: str) -> None:
    base = normalize("http://example.org/a/b")
    try:
        target = resolve(base, location)
    except InvalidUrl:
        return
    assert resolve(base, target.url) == target


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Example.ORG", "example.org"),
        ("example.org:80", "example.org"),
        ("example.org.:443", "example.org"),
        ("example.org:8080", "example.org:8080"),
        ("[::1]:80", "[::1]"),
        ("[::80]", "[::80]"),
    ],
)
def test_a_host_in_a_setting_is_the_key_of_its_addresses(written: str, key: str) -> None:
    assert host_key_as_set(written) == key
    assert normalize(f"http://{written}/").host_key == key
