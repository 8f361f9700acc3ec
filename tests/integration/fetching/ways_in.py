"""The ways in that somebody may try: addresses, and what can be written for them in a URL."""

from __future__ import annotations

from typing import Final

REACHED: Final = "reached"
FORBIDDEN: Final = "forbidden_address"

ADDRESSES: Final = {
    # Hosts of the public internet, and the last ones beside closed blocks.
    **dict.fromkeys(
        [
            *("1.1.1.1", "8.8.8.8", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
            *("126.255.255.255", "128.0.0.1", "168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0"),
            *("172.15.255.255", "172.32.0.0", "191.255.255.255", "192.0.1.1", "192.88.98.255", "192.167.255.255"),
            *("192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255"),
            *("2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2003::1"),
            *("2620:4f:7fff::1", "3fff:1000::1", "64:ff9b::8.8.8.8"),
        ],
        REACHED,
    ),
    **dict.fromkeys(
        [
            # This machine and this network.
            *("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "::", "::1"),
            # Private.
            *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.17.0.1", "172.31.255.255", "192.168.0.1"),
            *("192.168.1.1", "192.168.255.255", "fc00::1", "fd00::1", "fdff::1", "fec0::1"),
            # Behind a provider's NAT.
            *("100.64.0.1", "100.127.255.255"),
            # Link-local.
            *("169.254.0.1", "169.254.255.254", "fe80::1", "febf::1"),
            # What clouds tell their machines, credentials included.
            *("169.254.169.254", "169.254.170.2", "169.254.169.123", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
            *("fd00:ec2::254", "fd20:ce::254", "fd00:42::42", "fd00:c1::a9fe:a9fe", "fe80::a9fe:a9fe"),
            # Given to protocols, documentation and benchmarks.
            *("192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.0.2.1", "192.31.196.1", "192.52.193.1"),
            *("192.88.99.1", "192.88.99.2", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1"),
            *("203.0.113.1", "100::1", "100:0:0:1::1", "2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1"),
            *("2001:10::1", "2001:20::1", "2001:30::1", "2001:db8::1", "2620:4f:8000::1", "3fff::1", "5f00::1"),
            # Multicast, broadcast, reserved, never given out.
            *("224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1", "240.0.0.1", "255.255.255.255"),
            *("200::1", "1000::1", "4000::1", "e000::1", "3ffe::1"),
            # An IPv4 address inside: mapped, compatible, SIIT, NAT64, 6to4, Teredo, ISATAP.
            *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8"),
            *("::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1"),
            *("64:ff9b::169.254.169.254", "64:ff9b:1::127.0.0.1", "64:ff9b:1:7f00:0:100::", "64:ff9b:1::8.8.8.8"),
            *("2002:7f00:1::", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:808:808::1"),
            *("2001::1", "2001:0:4136:e378:8000:63bf:80ff:fffe", "2606:4700::5efe:7f00:1", "2a00::200:5efe:808:808"),
        ],
        FORBIDDEN,
    ),
}
"""What is to become of a page at each of these addresses, when nothing is allowed besides the public internet."""

KERNEL_REFUSES: Final = frozenset(
    {"224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1", "ff0e::1", "fe80::1", "febf::1", "fe80::a9fe:a9fe"}
)
"""Where Linux opens no TCP connection without more being said."""

SPELLINGS: Final = {
    # 127.0.0.1, as the URL standard's host parser reads it.
    **dict.fromkeys(
        [
            *("127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "127.0.0.2", "127.255.255.254"),
            *("2130706433", "0x7f000001", "0X7F000001", "017700000001", "0x7f.1", "0x7f.0x0.0x0.0x1", "0177.1"),
            *("0177.0.0.1", "0177.0.0.01", "127.0x1", "127.0.0x0.01", "0x7f.0.0.1.", "00000000177.0.0.1"),
            *("１２７.0.0.1", "127。0。0。1", "127．0．0．1", "127｡0｡0｡1", "①②⑦.0.0.1", "𝟏𝟐𝟕.0.0.1"),
            *("127.0.0\u00ad.1", "127.0.\u200b0.1", "127.\t0.0.1", "127.0\n.0.1", "%31%32%37.0.0.1"),
            *("127%2e0%2E0%2e1", "127%E3%80%820.0.1", "%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1"),
            *("0", "00", "0x0", "0.0.0.0", "0.0", "0x0.0x0"),
            *("[::1]", "[0:0:0:0:0:0:0:1]", "[0000:0000:0000:0000:0000:0000:0000:0001]", "[::0001]", "[0::1]"),
            *("[::]", "[0::0]", "[::0.0.0.0]", "[::0.0.0.1]", "[::ffff:127.0.0.1]", "[::FFFF:127.0.0.1]"),
            *("[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::ffff:0.0.0.0]", "[::127.0.0.1]", "[::7f00:1]"),
            *("[::ffff:0:127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]"),
            *("[2002:7f00:1::]", "[2001:0:0:0:0:0:80ff:fffe]", "[fe80::1]", "[::ffff:169.254.169.254]"),
            *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "169.16689662"),
        ],
        FORBIDDEN,
    ),
    # The same by name: what the system's resolver, and so /etc/hosts, says of it is checked.
    **dict.fromkeys(
        ["localhost", "LOCALHOST", "LocalHost", "ｌｏｃａｌｈｏｓｔ", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "loc\u00adalhost", "local%68ost"],
        FORBIDDEN,
    ),
    # No addresses: too large, too many parts, digits that are none, half an encoding, a zone.
    **dict.fromkeys(
        [
            *("256.256.256.256", "127.0.0.256", "4294967296", "4294967297", "0x100000000", "0x17f000001"),
            *("040000000001", "127.0.65536", "127.16777216", "1.2.3.4.5", "127.0.0.0.1", "127..0.1", ".127.0.0.1"),
            *(
                "127.0.0.08",
                "١27.0.0.1",
                "0x7g.1",
                "0b1.1",
                "08",
                "127.0.0.1..",
                "127.0.0.1%00",
                "127.0.0.1%00.example.org",
            ),
            *("127.0.0.1%0a", "127.0.0.1%20", "127.0.0.1%2f", "localhost%00", "localhost%00.example.org", "%00"),
            *("localhost%2f.example.org", "localhost%5c.example.org", "localhost%40.example.org", "local host"),
            *("[::1%25lo]", "[::1%lo]", "[fe80::1%lo]", "[fe80::1%251]", "[::1%00]", "[::1", "::1", "[127.0.0.1]"),
            *("[::127.0.0.1.]", "[::ffff:256.0.0.1]", "[::ffff:127.1]", "[::ffff:0x7f.0.0.1]", "[v1.7f000001]"),
            *("[1::2::3]", "[:::1]", "[::12345]", "", "user@127.0.0.1", "user:password@localhost"),
            *("example.org@127.0.0.1", "example.org%40127.0.0.1", "127.0.0.1@example.org"),
        ],
        "invalid_url",
    ),
}
"""What is to become of `http://HOST:PORT/` when nothing is allowed besides the public internet."""

WHOLE_URLS: Final = {
    # One parser's host is another one's path, user or fragment. What is fetched is decided by one parser alone.
    r"http:\\127.0.0.1:{port}\secret": FORBIDDEN,
    "http:/127.0.0.1:{port}/": FORBIDDEN,
    "http:127.0.0.1:{port}/": FORBIDDEN,
    "http:////127.0.0.1:{port}/": FORBIDDEN,
    "HTTP://127.0.0.1:{port}/": FORBIDDEN,
    "//127.0.0.1:{port}/": FORBIDDEN,
    "127.0.0.1:{port}/": FORBIDDEN,
    r"http://127.0.0.1:{port}\@example.invalid/": FORBIDDEN,
    "http://127.0.0.1:{port}#@example.invalid/": FORBIDDEN,
    "http://127.0.0.1:{port}?@example.invalid/": FORBIDDEN,
    r"http://example.invalid\@127.0.0.1:{port}/": "dns_not_found",
    "http://example.invalid#@127.0.0.1:{port}/": "dns_not_found",
    "http://example.invalid?@127.0.0.1:{port}/": "dns_not_found",
    "http://example.invalid/@127.0.0.1:{port}/": "dns_not_found",
    "http://example.invalid:80@127.0.0.1:{port}/": "invalid_url",
    "http://127.0.0.1:{port}@example.invalid/": "invalid_url",
    "http://127.0.0.1:{port}:80/": "invalid_url",
    "http://127.0.0.1:99999/": "invalid_url",
    "http://127.0.0.1:-1/": "invalid_url",
    "http://127.0.0.1:0/": "invalid_url",
    # Ways that are not HTTP.
    **dict.fromkeys(
        [
            *("file:///etc/passwd", "file://127.0.0.1:{port}/", "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_a"),
            *("dict://127.0.0.1:{port}/d:a", "ldap://127.0.0.1:{port}/", "tftp://127.0.0.1:{port}/a", "ws://127.0.0.1:{port}/"),
            *("wss://127.0.0.1:{port}/", "unix:/run/docker.sock", "unix:///run/docker.sock", "http+unix://%2Frun%2Fdocker.sock/"),
            *("jar:http://127.0.0.1:{port}/!/", "view-source:http://127.0.0.1:{port}/", "blob:http://127.0.0.1:{port}/a"),
            *("data:text/html,python", "javascript:alert(1)", "about:blank", "php://filter", "netdoc:/etc/passwd"),
            *("npipe://./pipe/docker_engine", "ssh://127.0.0.1:{port}/", "filesystem:http://127.0.0.1:{port}/a"),
        ],
        "invalid_url",
    ),
}  # fmt: skip
"""What is to become of these URLs, under the same rule."""


def in_url(address: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address
