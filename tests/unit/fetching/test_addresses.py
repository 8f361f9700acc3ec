from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.fetching.addresses import AllowList, is_public, parse_allow

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "2001:200::1",
    "2003::1",
    "3fff:1000::1",
    "2606:4700::5eff:127.0.0.1",
    "2606:4700:5efe::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]

CLOSED = [
    # IPv4
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    # IPv6
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700:4700::1111%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "5f00::1",
    "2001:db8::1",
    "3fff::1",
    "3fff:fff::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2620:4f:8000::1",
    "4000::1",
    # IPv4 inside IPv6
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:8.8.8.8",
    "::127.0.0.1",
    "::8.8.8.8",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:7f00:0:100::",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2606:4700::5efe:127.0.0.1",
    "2606:4700::200:5efe:8.8.8.8",
    # No addresses at all
    "",
    "localhost",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "127.0.0.01",
    "[::1]",
    "8.8.8.8 ",
    "8.8.8.8/32",
]


# All entries of IANA's two registries of special-purpose addresses (the newest is RFC 9780's), but for the two blocks
# that stand for IPv4 addresses, ::ffff:0:0/96 and 64:ff9b::/96.
SPECIAL_PURPOSE = [
    *("0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
    *("192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/32"),
    *("192.0.0.171/32", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.88.99.2/32"),
    *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
    *("255.255.255.255/32", "::1/128", "::/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23"),
    *("2001::/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128", "2001:2::/48", "2001:3::/32"),
    *("2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16"),
    *("2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10"),
]


@pytest.mark.parametrize("block", [*SPECIAL_PURPOSE, "224.0.0.0/4", "ff00::/8", "fec0::/10", "3ffe::/16", "::/96"])
def test_special_purposes_are_closed_from_end_to_end(block: str) -> None:
    network = ip_network(block)
    first, last = int(network.network_address), int(network.broadcast_address)
    for number in {first, first + (last - first) // 3, (first + last) // 2, last}:
        address = type(network.network_address)(number)
        assert not is_public(address)
        if isinstance(address, IPv4Address):
            assert not AllowList().allowed(f"::ffff:{address}", 80)
            assert not AllowList().allowed(f"64:ff9b::{address}", 80)
            assert not AllowList().allowed(f"2002:{number >> 16:x}:{number & 0xFFFF:x}::", 80)


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_are_reached(ip: str) -> None:
    assert AllowList().allowed(ip, 80)


@pytest.mark.parametrize("ip", CLOSED)
def test_others_are_not(ip: str) -> None:
    assert not AllowList().allowed(ip, 80)


@pytest.mark.parametrize(
    ("rules", "ip", "port", "expected"),
    [
        ("127.0.0.0/8", "127.0.0.1", 80, True),
        ("127.0.0.0/8", "127.9.9.9", 65535, True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", 80, True),
        ("127.0.0.0/8", "::1", 80, False),
        ("127.0.0.0/8", "10.0.0.1", 80, False),
        ("127.0.0.0/8", "8.8.8.8", 80, True),
        ("10.1.0.0/16", "10.1.255.255", 80, True),
        ("10.1.0.0/16", "10.2.0.0", 80, False),
        ("10.1.0.0/16", "64:ff9b::10.1.0.1", 80, False),
        ("10.1.2.3/32", "10.1.2.3", 80, True),
        ("127.0.0.1:8080", "127.0.0.1", 8080, True),
        ("127.0.0.1:8080", "127.0.0.1", 8081, False),
        ("127.0.0.1:8080", "127.0.0.2", 8080, False),
        ("127.0.0.1:8080", "::ffff:127.0.0.1", 8080, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "0:0:0:0:0:0:0:1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("[::ffff:127.0.0.1]:80", "127.0.0.1", 80, True),
        ("fd00::/8", "fd12::1", 80, True),
        ("fd00::/8", "fe80::1", 80, False),
        ("fe80::/10", "fe80::1%eth0", 80, False),
        ("64:ff9b::/96", "64:ff9b::10.0.0.1", 80, True),
        (" 10.0.0.0/8 ,, 127.0.0.1:80 ,", "10.0.0.1", 1, True),
        (" 10.0.0.0/8 ,, 127.0.0.1:80 ,", "127.0.0.1", 80, True),
        ("", "127.0.0.1", 80, False),
        ("0.0.0.0/0", "169.254.169.254", 80, True),
    ],
)
def test_what_the_operator_allows(rules: str, ip: str, port: int, expected: bool) -> None:
    assert parse_allow(rules).allowed(ip, port) is expected


@pytest.mark.parametrize(
    "entry",
    [
        "localhost",
        "localhost:8080",
        "10.0.0.1",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "::1",
        "::1:8080",
        "[::1]",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:http",
        "127.0.0.1:８０",
        "::ffff:10.0.0.0/104",
        "fe80::%eth0/64",
        "[fe80::1%eth0]:80",
        "*",
        "example.org/24",
    ],
)
def test_an_entry_that_cannot_be_read_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="is ") as caught:
        parse_allow(f"127.0.0.1:80,{entry}")
    assert repr(entry) in str(caught.value)


@given(st.ip_addresses(v=4))
def test_what_is_public_is_global_in_the_standard_library_too(ip: IPv4Address) -> None:
    if is_public(ip):
        assert ip.is_global
        assert not ip.is_multicast


@given(st.ip_addresses(v=6))
def test_public_ipv6_is_global_unicast(ip: IPv6Address) -> None:
    if is_public(ip) and not str(ip).startswith("64:ff9b::"):
        assert ip.is_global
        assert not ip.is_multicast
        assert int(ip) >> 125 == 1
        assert ip.sixtofour is None
        assert ip.teredo is None


@given(st.text(), st.integers(0, 65535))
def test_no_text_breaks_the_check(ip: str, port: int) -> None:
    assert AllowList().allowed(ip, port) in (True, False)
