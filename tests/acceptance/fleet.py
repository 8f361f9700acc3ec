"""Every process of wordwatch, as many of each as a test asks for, each to be killed, frozen and started by itself.

    async with fleet(gateways=2, recorders=2, fetchers=3, nsqds=2, lookupds=2) as stack:
        ...                                  # stack.api: an HTTP session for the first gateway
        await stack.recorders[0].kill()
        await stack.recorders[0].start()     # the same ports and settings; returns when it is ready

Nothing restarts by itself. All of it ends with the test, also when the test is killed. Before that, all that is stored
has to agree.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from services.recorder.audit import broken_rules
from shared import claims, settings
from shared.db import connect
from tests.acceptance.processes import POSTGRES_SETTINGS, Gateway, Postgres, Service
from tests.integration.servers import Nsqd, Nsqlookupd

AUDITED_WITHIN_S = 120.0


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wordwatch-fleet-"))
    folder.chmod(0o777)  # PostgreSQL runs as somebody else where we are root
    return folder


@dataclass
class Fleet:
    """All that runs. `api` is a session for the first gateway."""

    folder: Path
    environ: dict[str, str]
    postgres: Postgres
    lookupds: list[Nsqlookupd] = field(default_factory=list)
    nsqds: list[Nsqd] = field(default_factory=list)
    gateways: list[Gateway] = field(default_factory=list)
    recorders: list[Service] = field(default_factory=list)
    schedulers: list[Service] = field(default_factory=list)
    fetchers: list[Service] = field(default_factory=list)

    @property
    def services(self) -> list[Service]:
        return [*self.recorders, *self.schedulers, *self.fetchers, *self.gateways]

    @property
    def api(self) -> aiohttp.ClientSession:
        return self._sessions[0]

    def session(self, number: int) -> aiohttp.ClientSession:
        """A session for one gateway."""
        return self._sessions[number]

    def __post_init__(self) -> None:
        self._sessions: list[aiohttp.ClientSession] = []

    def open_sessions(self) -> list[aiohttp.ClientSession]:
        timeout = aiohttp.ClientTimeout(total=90)
        self._sessions = [aiohttp.ClientSession(gateway.url, timeout=timeout) for gateway in self.gateways]
        return self._sessions

    def fetcher(self, module: str = "services.fetcher", **settings: str) -> Service:
        """One fetcher more, not started yet; `settings` are WORDWATCH_* without the prefix, in any case."""
        service = Service("fetcher", len(self.fetchers), self.environ | _variables(settings), self.folder, module)
        self.fetchers.append(service)
        return service

    async def audit(self) -> list[str]:
        """The rules that what is stored breaks, as an operator's audit tells; the services may be at work meanwhile."""
        config = settings.load(self.environ)
        async with asyncio.timeout(AUDITED_WITHIN_S):
            connection = await connect.connect(self.postgres.url, role="wordwatch_recorder")
            try:
                return await broken_rules(connection, claims.trusted(config))
            finally:
                await connection.close()


def _variables(settings: dict[str, Any]) -> dict[str, str]:
    return {f"WORDWATCH_{name.upper()}": str(value) for name, value in settings.items()}


@asynccontextmanager
async def fleet(
    *,
    gateways: int = 1,
    recorders: int = 1,
    schedulers: int = 1,
    fetchers: int = 1,
    nsqds: int = 1,
    lookupds: int = 1,
    nsqd_options: Sequence[str] = (),
    postgres_data: Path | None = None,
    postgres_settings: Mapping[str, str] = POSTGRES_SETTINGS,
    password: str = "",
    logs: Path | None = None,
    audited: bool = True,
    **options: Any,
) -> AsyncIterator[Fleet]:
    """Starts everything and waits until all of it is ready.

    Args:
        postgres_data: where PostgreSQL's data are to be; not there yet.
        logs: a folder for the logs of all services; None: the end of each is printed when it is over.
        postgres_settings: of the server, by name.
        password: what stands in the URL of the database.
        audited: an audit at the end must find nothing; False: whoever asked for it sees to that.
        options: the settings of all services, as in `shared.settings` (`lease_s=20`, `fetch_timeout_s=5`, …).
    """
    given = {"allow_targets": "127.0.0.0/8", "lease_s": 20, "fetch_timeout_s": 5} | options
    folder = _folder()
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = Postgres(folder, postgres_data, password=password, settings=postgres_settings)
        stack.push_async_callback(postgres.kill)
        found = [await stack.enter_async_context(Nsqlookupd()) for _ in range(lookupds)]
        queues = [await stack.enter_async_context(Nsqd(*nsqd_options, lookupds=found)) for _ in range(nsqds)]
        await postgres.prepare()
        where = {"nsqlookupd": ",".join(each.http for each in found)} if found else {}
        where |= {} if found else {"nsqd": ",".join(each.tcp for each in queues)}
        environ = {"PATH": os.environ["PATH"], "WORDWATCH_HOME": str(folder / "home")}
        environ |= _variables({"database_url": postgres.url} | where | given)
        all_ = Fleet(folder, environ, postgres, found, queues)
        all_.recorders = [_service("recorder", n, all_) for n in range(recorders)]
        all_.schedulers = [_service("scheduler", n, all_) for n in range(schedulers)]
        all_.gateways = [Gateway(n, environ, folder) for n in range(gateways)]
        for _ in range(fetchers):
            all_.fetcher()
        try:
            await asyncio.gather(*(service.start() for service in all_.services))
            for session in all_.open_sessions():
                await stack.enter_async_context(session)
            yield all_
            broken = await all_.audit() if audited else []
            assert broken == [], broken
        finally:
            await asyncio.gather(*(service.kill() for service in all_.services))
            _show_or_keep(all_.services, logs)


def _show_or_keep(services: Sequence[Service], logs: Path | None) -> None:
    for service in services:
        if logs is None:
            print(f"--- {service.name}\n{service.log[-3000:]}")  # shown when the test fails
        elif service.log_path.exists():
            shutil.copy(service.log_path, logs)


def _service(kind: str, number: int, all_: Fleet) -> Service:
    return Service(kind, number, all_.environ, all_.folder, f"services.{kind}")
