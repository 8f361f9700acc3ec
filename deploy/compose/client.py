"""A client of wordwatch that does not give up at once: what it asks for may be down for a moment."""

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

ADDRESS = "127.0.0.1"
_ASK_WITHIN_S = 15.0
_PAUSE_S = 0.25
_LISTED = 500


class ClientError(Exception):
    """No usable answer came, or none in time; the text says to what."""


class Client:
    """Asks what is published on a port of this machine.

    Args:
        port: On the loopback address.
        patience_s: How long a question is repeated while nobody answers it, or the answer is "not now" (5xx, 429).
    """

    def __init__(self, port: int, *, patience_s: float) -> None:
        self.port = port
        self._patience_s = patience_s
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Ends the patience, of questions that are being asked too."""
        self._given_up.set()

    def submit(self, body: Mapping[str, Any], *, key: str) -> str:
        """Has a check accepted, once, however often that has to be asked for; returns its id.

        Raises:
            ClientError: it was refused, or not accepted in time.
        """
        return str(self.ask("POST", "/api/v1/checks", body, {"Idempotency-Key": key})["id"])

    def checks(self, **filters: str) -> Iterator[Any]:
        """All checks that the filters let through, newest first."""
        cursor: str | None = ""
        while cursor is not None:
            query = {**filters, "limit": str(_LISTED), **({"cursor": cursor} if cursor else {})}
            page = self.ask("GET", f"/api/v1/checks?{urlencode(query)}")
            yield from page["items"]
            cursor = page["next_cursor"]

    def fetcher_of(self, check_id: str) -> str:
        """The fetcher that did the attempt which counted."""
        attempts = self.ask("GET", f"/api/v1/checks/{check_id}/attempts")["items"]
        return str(attempts[-1]["fetcher"])

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON that is answered.

        Raises:
            ClientError: see above.
        """
        deadline = time.monotonic() + self._patience_s
        text = None if body is None else json.dumps(body)
        while True:
            try:
                status, answer = self._ask_once(
                    method, path, text, {"Content-Type": "application/json", **(headers or {})}
                )
            except (OSError, http.client.HTTPException, ValueError) as error:
                said = repr(error)
            else:
                if status < 300:
                    return answer
                said = f"{status} {answer}"
                if status < 500 and status != 429:
                    raise ClientError(f"{method} {path}: {said}")
            if time.monotonic() > deadline or self._given_up.wait(_PAUSE_S):
                raise ClientError(f"{method} {path}: not within {self._patience_s:.0f} s; last: {said}")

    def _ask_once(self, method: str, path: str, text: str | None, headers: dict[str, str]) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=_ASK_WITHIN_S)
        try:
            connection.request(method, path, text, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()
