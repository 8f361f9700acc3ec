"""A file that is there whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from services.cli.outcomes import UsageError


@contextmanager
def appearing(target: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file to write to, which gets its name when the block ends well, and is gone otherwise.

    Args:
        target: its name.
        force: whether to replace what has this name.

    Raises:
        UsageError: something has this name, or it can't be written.
    """
    if target.exists() and not force:
        raise UsageError(f"{target} is there already; --force replaces it")
    fresh = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        with fresh.open("xb") as file:
            yield file
        if not force:
            target.touch(exist_ok=False)  # takes the name, unless somebody else was quicker
        fresh.replace(target)
    except FileExistsError:
        raise UsageError(f"{target} has come to be meanwhile; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"{target} can't be written: {error.strerror or error}") from None
    finally:
        fresh.unlink(missing_ok=True)
