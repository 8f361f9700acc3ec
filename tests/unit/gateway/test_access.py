import pytest

from services.gateway.access import KnownHosts, authority_of_target, is_cross_site, split_host

KNOWN = KnownHosts(("count.example.org", "other.example.org:8443"), listen="127.0.0.1")


@pytest.mark.parametrize(
    "authority",
    [
        "localhost",
        "localhost:8080",
        "LocalHost.",
        "app.localhost",
        "127.0.0.1",
        "127.9.9.9:1",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "localhost:65535",
        "count.example.org",
        "COUNT.example.org:9",
        "other.example.org:8443",
    ],
)
def test_known(authority: str) -> None:
    assert KNOWN.knows(authority)


@pytest.mark.parametrize(
    "authority",
    [
        "",
        ":8080",
        "example.org",
        "evil.example",
        "localhost.evil.example",
        "localhost..",
        ".localhost.evil",
        "0x7f.0.0.1",  # as the C library spells 127.0.0.1; browsers send its normal form
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.1",
        "127.000.000.001",
        "0",
        "[::ffff:10.0.0.1]",
        "[::127.0.0.1]",
        "[::1%lo]",
        "[::1%25lo]",
        "[]",
        "[a:b:c]",
        "[1]",
        "::1",
        "localhost:",
        "localhost:65536",
        "localhost:-1",
        "localhost:8080 ",
        " localhost",
        "localhost\t",
        "localhost\x00.evil.example",
        "localhost%00",
        "localhost%2eevil.example",
        "localhost\\evil.example",
        "localhost?x",
        "localhost#x",
        "local host",
        "\u24dbocalhost",  # NFKC makes it localhost
        "localhos\u0442",
        "\udcff\udcfe",
        "http://localhost",
        "*",
        ".",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "192.168.0.1",
        "0.0.0.0",
        "[::2]",
        "other.example.org",
        "other.example.org:1",
        "evil.example@localhost",
        "localhost:x",
        "localhost:80:80",
        "localhost, evil.example",
        "localhost/evil",
        "[::1",
    ],
)
def test_unknown(authority: str) -> None:
    assert not KNOWN.knows(authority)


def test_the_address_listened_on_is_known_unless_it_means_all_of_them() -> None:
    assert KnownHosts((), listen="10.1.2.3").knows("10.1.2.3:8080")
    assert KnownHosts((), listen="fd00::1").knows("[fd00::1]:8080")
    assert not KnownHosts((), listen="0.0.0.0").knows("0.0.0.0:8080")
    assert not KnownHosts((), listen="::").knows("[::]")


def test_a_public_ipv6_address_needs_no_brackets() -> None:
    assert KnownHosts(("fd00::1",), listen="::").knows("[fd00::1]:80")


def test_split_host() -> None:
    assert split_host("[FD00::1]:80") == ("fd00::1", "80")
    assert split_host("Example.org.") == ("example.org", "")


@pytest.mark.parametrize(
    "name", ["https://count.example.org", "*.example.org", "bücher.example", "a b", ":80", "a:b:c"]
)
def test_a_public_name_that_could_never_be_met_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="no host name"):
        KnownHosts((name,), listen="127.0.0.1")


@pytest.mark.parametrize(
    ("target", "authority"),
    [
        ("/", None),
        ("/http://evil.example/", None),
        ("//evil.example/", None),
        ("/?x=http://evil.example", None),
        ("*", None),
        ("http://evil.example/x", "evil.example"),
        ("HTTPS://evil.example:8/x?y", "evil.example:8"),
        ("http://localhost?x", "localhost"),
        ("http://localhost#x", "localhost"),
        ("http://user@localhost/", "user@localhost"),
        ("http://evil.example\\@localhost/", "evil.example\\@localhost"),
        ("http:///x", ""),
        ("evil.example:443", "evil.example:443"),
        ("ftp://localhost/", "ftp://localhost/"),
    ],
)
def test_a_target_may_say_itself_to_whom_it_is_addressed(target: str, authority: str | None) -> None:
    assert authority_of_target(target) == authority
    if authority is not None and authority not in {"localhost"}:
        assert not KNOWN.knows(authority)


def _refused(
    method: str, origins: tuple[str, ...] = (), sites: tuple[str, ...] = (), *, to: str = "localhost:8080"
) -> bool:
    return is_cross_site(method, origins=origins, sites=sites, authority=to, known=KNOWN)


EVIL = ("http://evil.example",)
SAFE = ["GET", "HEAD", "OPTIONS"]
UNSAFE = ["POST", "DELETE", "PUT", "PATCH", "ANYTHING", "get"]


@pytest.mark.parametrize(
    ("origins", "sites"),
    [
        ((), ("cross-site",)),
        ((), ("same-site",)),
        ((), ("",)),
        ((), ("Same-Origin",)),
        (EVIL, ("cross-site",)),
        (EVIL, ()),
        (("null",), ()),
        (("",), ()),
        (("localhost:8080",), ()),
        (("file://",), ()),
        (("chrome-extension://abcdef",), ()),
        (("http://localhost:3000",), ()),
        (("http://127.0.0.1:8080",), ()),
        (("http://localhost:8080.evil.example",), ()),
        (("http://localhost:8080@evil.example",), ()),
        (("http://other.example.org",), ()),
        (("http://count.example.org:3000",), ()),
        (("http://localhost:8080", "http://evil.example"), ()),
        (("http://localhost:8080",), ("cross-site",)),
        (("http://localhost:8080",), ("same-origin", "cross-site")),
        (EVIL, ("same-origin",)),
        (EVIL, ("none",)),
    ],
)
def test_pages_of_others_change_nothing_and_may_have_links_to_us(
    origins: tuple[str, ...], sites: tuple[str, ...]
) -> None:
    assert all(_refused(method, origins, sites) for method in UNSAFE)
    assert not any(_refused(method, origins, sites) for method in SAFE)


@pytest.mark.parametrize(
    ("origins", "sites", "to"),
    [
        ((), (), "localhost:8080"),
        (("http://localhost:8080",), (), "localhost:8080"),
        (("http://localhost:8080",), ("same-origin",), "localhost:8080"),
        (("http://localhost",), (), "localhost:80"),
        (("https://localhost:443",), (), "localhost"),
        (("http://[::1]:8080",), (), "[::1]:8080"),
        (("https://count.example.org",), ("same-origin",), "127.0.0.1:8080"),
        (("https://other.example.org:8443",), (), "127.0.0.1:8080"),
        ((), ("none",), "localhost"),
        ((), ("same-origin",), "localhost"),
    ],
)
@pytest.mark.parametrize("method", [*SAFE, *UNSAFE])
def test_our_pages_and_programs_may(method: str, origins: tuple[str, ...], sites: tuple[str, ...], to: str) -> None:
    assert not _refused(method, origins, sites, to=to)
