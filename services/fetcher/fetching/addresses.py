"""Which IP addresses may be connected to: public ones, and what the operator allowed by name.

A URL is anybody's input, so without this rule a fetcher would be a way into the network it stands in
(server-side request forgery). The tables follow IANA's special-purpose registries
(https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry). The
standard library's `is_global` is not used: it lets multicast through and differs between Python releases.
Whatever is not known to be public is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

_CLOSED_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network; 0.0.0.0 itself connects to the own machine
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is a cloud's metadata service
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; 169.254.169.254 is most clouds' metadata service
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a cloud's metadata service
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 and 6a44 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "168.63.129.16/32",  # a public address by number, but a cloud's own service on every host
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; 255.255.255.255 is broadcast
    )
)

# All that has ever been given out as global unicast. Outside of it are, among others: ::/96 (an IPv4 address, long
# deprecated), ::ffff:0:0:0/96 (SIIT), 100::/64 and 100:0:0:1::/64 (discard, dummy), 5f00::/16 (segment routing),
# fc00::/7, fe80::/10, fec0::/10 (site-local, deprecated) and ff00::/8.
_OPEN_V6: Final = IPv6Network("2000::/3")
_CLOSED_V6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, anycast, benchmarks, AMT, AS112, ORCHID, DRIP
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # 6bone, given back
        "3fff::/20",  # documentation
    )
)
# DNS64 hands this prefix out for ordinary IPv4 hosts (RFC 6052 §2.1), so what counts is the address inside.
# The local-use prefix 64:ff9b:1::/48 may hide the inner address anywhere: it is outside 2000::/3 and stays closed.
_NAT64: Final = IPv6Network("64:ff9b::/96")

_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""What an interface identifier begins with when the rest is an IPv4 address to tunnel to (RFC 5214 §6.1)."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """What may be reached besides public addresses.

    Attributes:
        networks: any port there.
        endpoints: one address with one port each.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    endpoints: frozenset[tuple[IPv4Address | IPv6Address, int]] = frozenset()

    def allowed(self, ip: str, port: int) -> bool:
        """Tell whether a connection to this address may be made.

        Args:
            ip: an address as the socket will be given it, never a name.
            port: TCP port.
        """
        try:
            address = ip_address(ip)
        except ValueError:
            return False
        if isinstance(address, IPv6Address):
            if address.scope_id is not None:
                return False
            # ::ffff:a.b.c.d is a.b.c.d to the kernel, so it is judged as that.
            address = address.ipv4_mapped or address
        listed = (address, port) in self.endpoints or any(address in network for network in self.networks)
        return listed or is_public(address)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether this is a host of the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    if address in _NAT64:
        return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return False
    return address in _OPEN_V6 and not any(address in network for network in _CLOSED_V6)


def parse_allow(text: str) -> AllowList:
    """Read a comma-separated list of CIDRs (`10.1.0.0/16`, `fd00::/8`) and `ADDRESS:PORT`s (`[::1]:8080`).

    Raises:
        ValueError: naming the entry that can't be read and what it should look like.
    """
    networks: list[IPv4Network | IPv6Network] = []
    endpoints: set[tuple[IPv4Address | IPv6Address, int]] = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        if "%" in entry:
            raise ValueError(f"{entry!r} is of one interface, and such addresses are never fetched from")
        if "/" in entry:
            networks.append(_network(entry))
        else:
            endpoints.add(_endpoint(entry))
    return AllowList(tuple(networks), frozenset(endpoints))


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(entry)
    except ValueError as error:
        raise ValueError(f"{entry!r} is not a network such as 10.1.0.0/16 or fd00::/8: {error}") from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"{entry!r} is IPv4 written as IPv6: write the IPv4 network")
    return network


def _endpoint(entry: str) -> tuple[IPv4Address | IPv6Address, int]:
    host, _, port = entry.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = IPv6Address(host[1:-1]) if bracketed else IPv4Address(host)
    except ValueError:
        raise ValueError(
            f"{entry!r} is neither a network (10.1.0.0/16) nor an address with a port (127.0.0.1:8080, [::1]:8080)"
        ) from None
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError(f"{entry!r} has a port that is not a number from 1 to 65535")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped, int(port)
    return address, int(port)
