import pytest

from services.gateway.access import KnownHosts, is_cross_site, split_host

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


def _refused(method: str, *, origins: tuple[str, ...] = (), sites: tuple[str, ...] = (), to: str) -> bool:
    return is_cross_site(method, origins=list(origins), fetch_sites=list(sites), authority=to, known=KNOWN)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_safe_methods_may_come_from_anywhere(method: str) -> None:
    assert not _refused(method, origins=("http://evil.example",), sites=("cross-site",), to="localhost")


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
    ],
)
def test_our_pages_and_programs_may_change_things(origins: tuple[str, ...], sites: tuple[str, ...], to: str) -> None:
    assert not _refused("POST", origins=origins, sites=sites, to=to)


@pytest.mark.parametrize(
    ("origins", "sites"),
    [
        (("http://evil.example",), ()),
        (("http://localhost:3000",), ()),
        (("http://127.0.0.1:8080",), ()),
        (("null",), ()),
        (("",), ()),
        (("localhost:8080",), ()),
        (("file://",), ()),
        (("http://other.example.org",), ()),
        (("http://count.example.org:3000",), ()),
        (("http://localhost:8080", "http://evil.example"), ()),
        ((), ("cross-site",)),
        ((), ("same-site",)),
        ((), ("",)),
        (("http://localhost:8080",), ("cross-site",)),
        (("http://localhost:8080",), ("same-origin", "cross-site")),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH", "ANYTHING"])
def test_pages_of_others_may_not(method: str, origins: tuple[str, ...], sites: tuple[str, ...]) -> None:
    assert _refused(method, origins=origins, sites=sites, to="localhost:8080")
