"""The lab in a thread of its own: open from the start of a block to its end."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from deploy.lab import front
from deploy.lab.certificates import Certificates
from deploy.lab.doors import Doors
from deploy.lab.server import open_doors
from deploy.lab.visit import Bounds

_START_WITHIN_S = 30.0
_STOP_WITHIN_S = 15.0


class LabError(Exception):
    """The lab can't be opened; the text says why."""


class Lab:
    """All its servers. Use it as a context manager.

    Attributes:
        doors: where they are.
        certificates: what those show that speak TLS.
    """

    def __init__(self, doors: Doors, *, trusted: bool, gateway: str, bounds: Bounds | None = None) -> None:
        """Make a lab that is still closed.

        Args:
            doors: on which ports.
            trusted: whether fetchers are going to trust its authority: its front page says what to expect.
            gateway: address of the gateway that people have it checked by.
            bounds: of what clients can take of it.
        """
        self.doors = doors
        self.certificates = Certificates.make()
        self._bounds = bounds or Bounds()
        self._front = front.page(doors, trusted=trusted, gateway=gateway)
        self._opened = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="lab", daemon=True)

    def __enter__(self) -> Lab:
        """Open it.

        Raises:
            LabError: a port can't be had, or it takes too long.
        """
        self._thread.start()
        opened = self._opened.wait(_START_WITHIN_S)
        self.check()
        if not opened:
            raise LabError(f"the lab was not open after {_START_WITHIN_S:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(_STOP_WITHIN_S)

    def check(self) -> None:
        """See whether it is still open.

        Raises:
            LabError: it is not, by itself.
        """
        if self._failure is not None or not self._thread.is_alive():
            raise LabError(f"the lab can't be opened, or has ended: {self._failure}") from self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # the edge of the thread: told to whoever opened the lab
            self._failure = error
        finally:
            self._opened.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with open_doors(self.doors, self.certificates.contexts, self._front, self._bounds):
            self._opened.set()
            await self._closing.wait()
