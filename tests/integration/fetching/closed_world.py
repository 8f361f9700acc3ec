"""A program: drives the fetcher in a network of its own, and prints what became of everything as JSON.

    python -m tests.integration.fetching.closed_world asyncio|uvloop FOLDER

FOLDER is for files of its own. What happened is judged by test_closed_world.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server

import dns.rcode
import uvloop

from services.fetcher.fetching.fetch import Fetcher, Trail
from shared.errors import FetchError
from tests.integration.fetching.fetchers import open_fetcher
from tests.integration.fetching.name_server import NameServer, Says, name_server, says
from tests.integration.fetching.own_network import enter
from tests.integration.fetching.ways_in import ADDRESSES, FORBIDDEN, REACHED, in_url
from tests.integration.pages import PageServer, Request, answer, redirect

SITE = "93.184.216.34"
SITE_V6 = "2606:4700:4700::1111"
NOBODY_LISTENS = 81
OTHER_PORT = 8080
_FILES = {
    "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:2 attempts:1\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}


@dataclass(frozen=True)
class Name:
    """A name, what its server says of it, and what is to become of its page.

    Attributes:
        outcome: an error's code, or the address that is reached.
    """

    says: list[Says]
    outcome: str


def _failing(rcode: dns.rcode.Rcode) -> list[Says]:
    return [Says(rcode=rcode)]


NAMES = {
    "public.example": Name([says(SITE)], SITE),
    "public.example.": Name([says(SITE)], SITE),
    "PUBLIC.example": Name([says(SITE)], SITE),
    "under_score.example": Name([says(SITE)], SITE),
    "bücher.example": Name([says(SITE)], SITE),
    f"{'a' * 63}.example": Name([says(SITE)], SITE),
    ".".join(["a" * 49] * 5): Name([says(SITE)], SITE),
    "v6.example": Name([says(SITE_V6)], SITE_V6),
    "alias.example": Name([says(SITE, aliases=("b.example", "c.example", "d.example"))], SITE),
    "hundred.example": Name([says(*(f"93.184.217.{number}" for number in range(100)))], "93.184.217."),
    "truncated.example": Name([Says((SITE,), manner="truncated")], SITE),
    "v6-fails.example": Name([Says((SITE,), for_aaaa=Says(rcode=dns.rcode.SERVFAIL))], SITE),
    "v6-not-there.example": Name([Says((SITE,), for_aaaa=Says(rcode=dns.rcode.NXDOMAIN))], SITE),
    # Inside, by name.
    "localhost": Name([], FORBIDDEN),
    "localhost.": Name([says("127.0.0.1", "::1")], FORBIDDEN),
    "LOCALHOST": Name([], FORBIDDEN),
    "ip6-localhost": Name([], FORBIDDEN),
    "ip6-loopback": Name([], FORBIDDEN),
    "app.localhost": Name([says("127.0.0.1", "::1")], FORBIDDEN),
    "intranet": Name([says("10.1.1.1")], FORBIDDEN),
    "kubernetes.default.svc.cluster.local": Name([says("10.96.0.1")], FORBIDDEN),
    "metadata.google.internal": Name([says("169.254.169.254", "fd20:ce::254")], FORBIDDEN),
    "instance-data.ec2.internal": Name([says("169.254.169.254", "fd00:ec2::254")], FORBIDDEN),
    "127.0.0.1.nip.example": Name([says("127.0.0.1")], FORBIDDEN),
    "7f000001.c0a80101.rebind.example": Name([says("192.168.1.1")], FORBIDDEN),
    "private-v6-alone.example": Name([says("fd00::1")], FORBIDDEN),
    "mapped.example": Name([says("::ffff:127.0.0.1")], FORBIDDEN),
    "compatible.example": Name([says("::127.0.0.1")], FORBIDDEN),
    "nat64.example": Name([says("64:ff9b::10.0.0.1")], FORBIDDEN),
    "zero.example": Name([says("0.0.0.0", "::")], FORBIDDEN),
    "alias-inside.example": Name([says("10.0.0.7", aliases=("db.corp.example",))], FORBIDDEN),
    "alias-localhost.example": Name([says("127.0.0.1", aliases=("localhost",))], FORBIDDEN),
    "truncated-private.example": Name([Says(("10.0.0.9",), manner="truncated")], FORBIDDEN),
    "hundred-private.example": Name([says(*(f"10.0.1.{number}" for number in range(100)))], FORBIDDEN),
    "long-ttl.example": Name([Says(("192.168.7.7",), ttl_s=86_400)], FORBIDDEN),
    # Some inside, some not: only those that may be reached are.
    "mixed.example": Name([says("10.0.0.1", SITE, "127.0.0.1", "169.254.169.254")], SITE),
    "mixed-families.example": Name([says("fd00::1", "::1", SITE)], SITE),
    "mixed-families-too.example": Name([says("10.0.0.1", SITE_V6)], SITE_V6),
    "eyeballs.example": Name([says("10.0.0.1", SITE, "192.168.0.1", "fd00::1", "fe80::1", "fd00::2")], SITE),
    # No answer, or none that helps.
    "nowhere.example": Name([], "dns_not_found"),
    "no-data.example": Name([says()], "dns_not_found"),
    "alias-nowhere.example": Name([Says(aliases=("gone.example",), rcode=dns.rcode.NXDOMAIN)], "dns_not_found"),
    "alias-loop.example": Name([says(aliases=("b.example", "alias-loop.example"))], "dns_not_found"),
    "servfail.example": Name(_failing(dns.rcode.SERVFAIL), "dns_failed"),
    "refused.example": Name(_failing(dns.rcode.REFUSED), "dns_failed"),
    "not-implemented.example": Name(_failing(dns.rcode.NOTIMP), "dns_failed"),
    "silent.example": Name([Says(manner="silent")], "dns_failed"),
    "garbage.example": Name([Says((SITE,), manner="garbage")], "dns_failed"),
    "other-id.example": Name([Says((SITE,), manner="other id")], "dns_failed"),
    "name.invalid": Name([says(SITE)], "dns_not_found"),
    "name.onion": Name([says(SITE)], "dns_not_found"),
}


@dataclass
class Seen:
    """What became of the pages asked for, and the addresses at which a connection came in meanwhile."""

    outcomes: dict[str, str] = field(default_factory=dict)
    connected: list[str] = field(default_factory=list)


class World:
    """A page server at every address, port 80 and another one."""

    def __init__(self) -> None:
        self.connected: set[str] = set()
        self.next_targets: list[str] = []
        self._pages = PageServer({"*": answer("python"), "/to": self._redirect, "/meta": self._refresh})

    def _target(self, request: Request) -> str:
        return self.next_targets[int(request.target.partition("?")[2])]

    async def _redirect(self, request: Request) -> bytes:
        return redirect(self._target(request))

    async def _refresh(self, request: Request) -> bytes:
        return answer(f'<meta http-equiv="refresh" content="0; url={self._target(request)}">')

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected.add(writer.get_extra_info("sockname")[0])
        await self._pages.serve(reader, writer)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for port in (80, OTHER_PORT):
                for family, anywhere in ((AF_INET, "0.0.0.0"), (AF_INET6, "::")):
                    listening = create_server((anywhere, port), family=family, backlog=200)
                    await stack.enter_async_context(await asyncio.start_server(self._serve, sock=listening))
            yield

    async def see(self, urls: Mapping[str, str], *, allow: str = "") -> Seen:
        """Fetch each URL, all with one new fetcher; the outcomes have the same keys."""
        self.connected.clear()
        turns = asyncio.Semaphore(16)  # the resolver waits two seconds, which is little on a busy machine

        async def in_turn(url: str) -> str:
            async with turns:
                return await _outcome(fetcher, url)

        async with open_fetcher(allow=allow, connect_timeout_s=8, deadline_s=20, read_timeout_s=8) as fetcher:
            outcomes = await asyncio.gather(*(in_turn(url) for url in urls.values()))
        return Seen(dict(zip(urls, outcomes, strict=True)), sorted(self.connected))

    async def see_behind(self, page: str, urls: Mapping[str, str]) -> Seen:
        """Fetch a page of ours that leads to each URL: `to` redirects there, `meta` refreshes itself to it."""
        self.next_targets = list(urls.values())
        return await self.see({key: f"http://{SITE}/{page}?{number}" for number, key in enumerate(urls)})


async def _outcome(fetcher: Fetcher, url: str) -> str:
    """Return where the page was found, or the error's code, with the address that it claims to have spoken to."""
    trail = Trail()
    try:
        page = await fetcher.fetch(url, trail=trail)
    except FetchError as error:
        return error.code if trail.address is None else f"{error.code} at {trail.address}"
    return str(ip_address(page.address or ""))


async def _rebinding(world: World, server: NameServer) -> dict[str, Seen]:
    """Let names change from a public address to one inside: within a chain, and from one attempt to the next."""
    changing = [says(SITE), says("127.0.0.1", "10.0.0.1", "fd00::1")]
    server.names |= {"chain.example": changing, "attempts.example": changing, "cached.example": changing}
    world.next_targets = [f"http://chain.example:{OTHER_PORT}/", "http://cached.example/"]
    return {
        "another port": await world.see({"": "http://chain.example/to?0"}),
        "first attempt": await world.see({"": "http://attempts.example/"}),
        "second attempt": await world.see({"": "http://attempts.example/"}),
        "the same port": await world.see({"": "http://cached.example/to?1"}),
    }


def _by_name(addresses: Iterable[str]) -> tuple[dict[str, list[Says]], dict[str, str]]:
    names = {f"a{number}.table.example": address for number, address in enumerate(addresses)}
    return {name: [says(address)] for name, address in names.items()}, {
        address: f"http://{name}/" for name, address in names.items()
    }


async def look() -> dict[str, Seen]:
    """Try all roads to all addresses, and all names."""
    literal = {address: f"http://{in_url(address)}/" for address in ADDRESSES}
    answers, named = _by_name(ADDRESSES)
    scripts = {_wire_name(name): entry.says for name, entry in NAMES.items() if entry.says}
    world = World()
    async with name_server({**answers, **scripts}, port=53) as server, world.running():
        return {
            "literal": await world.see(literal),
            "named": await world.see(named),
            "redirected": await world.see_behind("to", literal),
            "redirected to a name": await world.see_behind("to", named),
            "refreshed": await world.see_behind("meta", literal),
            "names": await world.see({name: f"http://{name}/" for name in NAMES}),
            "nobody listens": await world.see(
                {name: f"http://{name}:{NOBODY_LISTENS}/" for name in NAMES if name.startswith("mixed")}
            ),
            "without the rule": await world.see(
                {address: url for address, url in literal.items() if ADDRESSES[address] != REACHED},
                allow="0.0.0.0/0,::/0",
            ),
            **await _rebinding(world, server),
        }


def _wire_name(name: str) -> str:
    return name.rstrip(".").lower().encode("idna").decode()


def main(loop: str, folder: Path) -> None:
    """Enter the network and look; or print why there can be none."""
    files = {}
    for place, text in _FILES.items():
        files[place] = folder / place.replace("/", "_")
        files[place].write_text(text, encoding="ascii")
    try:
        enter(files)
    except OSError as error:
        print(json.dumps({"impossible": str(error)}))
        return
    make_loop = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=make_loop) as runner:
        seen = runner.run(look())
    print(json.dumps({what: asdict(found) for what, found in seen.items()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
