"""How the tests of readers read."""

from collections.abc import Sequence

from services.gateway.uploads.formats import Kind, reader
from services.gateway.uploads.records import Defaults, ReadRecord
from shared.messages import Question

DEFAULTS = Defaults(Question(words=("python",)))


def read(
    kind: Kind, *pieces: bytes, defaults: Defaults = DEFAULTS, charset: str | None = None, file: str | None = None
) -> list[ReadRecord]:
    """All records of an upload that comes in these pieces."""
    reading = reader(kind, defaults, charset=charset, file=file)
    found = [record for piece in pieces for record in reading.feed(piece)]
    found.extend(reading.finish())
    return found


def urls_of(records: Sequence[ReadRecord]) -> list[tuple[int, str | None]]:
    """Line and URL of each."""
    return [(record.line, record.url) for record in records]
