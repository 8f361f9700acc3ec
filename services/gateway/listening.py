"""Where the gateway listens, and who can reach it there: nothing but loopback unless somebody says so."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Literal

import structlog

from shared.settings import SettingError

log = structlog.get_logger(__name__)


async def addresses_of(listen: str, *, auth: Literal["off", "token"] | None) -> tuple[str, ...]:
    """The addresses that WORDWATCH_LISTEN means. A name is looked up once: what is judged is what is listened on.

    Args:
        listen: an address, or a name.
        auth: WORDWATCH_AUTH; where others can reach the gateway it has to be set.

    Raises:
        SettingError: it means no address, or one that others can reach without its having been said.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(_unbracketed(listen), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise SettingError(
            f"WORDWATCH_LISTEN={listen}: no address is known by this name ({error}); set 127.0.0.1 or another address "
            "of this machine"
        ) from None
    addresses = tuple(dict.fromkeys(_plain(str(place[0])) for *_, place in found))
    open_to_others = [address for address in addresses if not is_loopback(address)]
    if not open_to_others:
        return addresses
    shown = f"{listen}" if listen in addresses else f"{listen} ({', '.join(open_to_others)})"
    if auth is None:
        raise SettingError(
            f"WORDWATCH_LISTEN={shown} can be reached by {audience(open_to_others)}, and nobody is asked who they are. "
            "If that is what you want, set WORDWATCH_AUTH=off; otherwise leave WORDWATCH_LISTEN at 127.0.0.1 (behind a "
            "proxy on this machine, say)"
        )
    log.warning(
        "open to others: whoever can reach this address may read, add and delete everything",
        listen=shown,
        reached_by=audience(open_to_others),
        auth=auth,
    )
    return addresses


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach an IP address."""
    return ipaddress.ip_address(address).is_loopback


def _unbracketed(listen: str) -> str:
    return listen[1:-1] if listen.startswith("[") and listen.endswith("]") else listen


def _plain(address: str) -> str:
    """An IPv6 address that stands for one of IPv4 (RFC 4291 §2.5.5.2) as that, since nothing can listen on it."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return address if mapped is None else str(mapped)


def audience(addresses: Iterable[str]) -> str:
    """Who can reach these addresses, none of which is a loopback one; in words."""
    parsed = [ipaddress.ip_address(address) for address in addresses]
    if any(address.is_unspecified for address in parsed):
        return "whoever can reach any network address of this machine"
    if any(address.is_global for address in parsed):
        return "anybody on the internet, where no firewall is in between"
    return "everybody in the networks of that address"
