"""Forms as browsers and curl send them (multipart/form-data, RFC 7578), read piece by piece. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Final, Literal

from services.gateway.problems import Problem

MAX_HEAD_BYTES: Final = 4 * 2**10
"""The headers of one part."""
_MOST_PARAMETERS: Final = 10
"""Of a header. Names of fields and files need two or three; the standard library takes a square of their number."""
MAX_PARTS: Final = 2_000
"""Words may be given one by one, and there are 1,000 at most."""
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of a part.

    Attributes:
        name: of the field.
        filename: of the file, without the folders that some programs send along; None: it is no file.
        media_type: as declared, in lower case; "" if it was not.
        charset: likewise; None if it was not.
    """

    name: str
    filename: str | None
    media_type: str
    charset: str | None


def boundary_of(content_type: str) -> str:
    """The boundary in a Content-Type header (RFC 2046 §5.1.1).

    Raises:
        Problem: `bad_request`: there is none, or none that can be one.
    """
    try:
        boundary = _parameters("Content-Type", content_type).get_param("boundary")
    except ValueError:
        boundary = None
    if not isinstance(boundary, str) or not _BOUNDARY.fullmatch(boundary):
        raise Problem("bad_request", "The Content-Type of the form has no boundary that can be used.")
    return boundary


class MultipartReader:
    """Reads one form. It yields each part's beginning, followed by its contents in pieces.

    Args:
        boundary: what stands between the parts.
    """

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._buffer = bytearray(b"\r\n")  # so that the first delimiter begins like all others
        self._place: Literal["before", "line", "head", "contents", "after"] = "before"
        self._parts = 0

    def feed(self, data: bytes) -> Iterator[Part | bytes]:
        """What is complete with `data`; to be exhausted before the next call.

        Raises:
            Problem: `bad_request`: it can't be read.
        """
        self._buffer += data
        steps = {"before": self._skip, "line": self._end_line, "head": self._read_head, "contents": self._read_contents}
        while self._place != "after":
            place = self._place
            yield from steps[place]()
            if place == self._place:  # what is there does not lead any further
                return
        self._buffer.clear()

    def finish(self) -> None:
        """To be called at the end of the body.

        Raises:
            Problem: `bad_request`: something is missing.
        """
        if self._place != "after":
            raise _broken("it ends too early")

    def _skip(self) -> Iterator[Part | bytes]:
        """What stands before the first delimiter means nothing."""
        for _ in self._read_contents():
            yield from ()

    def _read_contents(self) -> Iterator[Part | bytes]:
        at = self._buffer.find(self._delimiter)
        # The end of what is there may be the beginning of a delimiter.
        taken = max(0, len(self._buffer) - len(self._delimiter) + 1) if at < 0 else at
        if taken:
            yield bytes(self._buffer[:taken])
        if at >= 0:
            taken += len(self._delimiter)
            self._place = "line"
        del self._buffer[:taken]

    def _end_line(self) -> Iterator[Part | bytes]:
        """The rest of a delimiter's line: `--` ends the form, and blanks mean nothing."""
        if self._buffer.startswith(b"--"):
            self._place = "after"
            return
        end = self._buffer.find(b"\r\n")
        if self._buffer[: end if end >= 0 else max(0, len(self._buffer) - 1)].strip(b" \t-"):
            raise _broken("a boundary does not end its line")
        if end >= 0:
            del self._buffer[:end]  # its line break may end the headers as well: there may be none
            self._place = "head"
        elif len(self._buffer) > MAX_HEAD_BYTES:
            raise _broken("a boundary does not end its line")
        yield from ()

    def _read_head(self) -> Iterator[Part | bytes]:
        end = self._buffer.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0:
            if len(self._buffer) >= MAX_HEAD_BYTES:
                raise _broken("a part has too many headers")
            return
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _broken(f"it has more than {MAX_PARTS:,} parts")
        yield part_of(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self._place = "contents"


def part_of(head: bytes) -> Part:
    """What the headers of a part say of it (RFC 7578 §4.2).

    Raises:
        Problem: `bad_request`.
    """
    headers: dict[str, str] = {}
    try:
        text = head.decode()  # as browsers write names of fields and files
    except UnicodeDecodeError:
        raise _broken("headers of a part are not UTF-8") from None
    for line in text.split("\r\n"):
        if line:
            name, colon, value = line.partition(":")
            if not colon:
                raise _broken("a part has a header that is none")
            headers[name.strip().lower()] = value.strip()
    try:
        return _told(headers)
    except ValueError:  # an encoding of a parameter (RFC 2231) that is none, or a number that is too long
        raise _broken("a header of a part can't be read") from None


def _told(headers: Mapping[str, str]) -> Part:
    told = _parameters("Content-Disposition", headers.get("content-disposition", ""))
    field = told.get_param("name", header="content-disposition")
    if told.get_content_disposition() != "form-data" or not isinstance(field, str):
        raise _broken("a part does not say which field it is")
    if headers.get("content-transfer-encoding", "binary").lower() not in {"7bit", "8bit", "binary"}:
        raise _broken("a part has a Content-Transfer-Encoding")
    filename = told.get_filename()
    type_ = _parameters("Content-Type", headers.get("content-type", ""))
    return Part(
        name=field,
        filename=None if filename is None else re.split(r"[/\\]", filename)[-1],
        media_type=type_.get_content_type() if "content-type" in headers else "",
        charset=type_.get_content_charset(),
    )


def _parameters(name: str, value: str) -> Message:
    """A header with parameters, for the standard library to take apart."""
    if value.count(";") > _MOST_PARAMETERS:
        raise _broken("a header has too many parameters")
    message = Message()
    message[name] = value.replace("\r", " ").replace("\n", " ")
    return message


def _broken(why: str) -> Problem:
    return Problem("bad_request", f"The form can't be read: {why}.")
