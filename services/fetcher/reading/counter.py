"""The function that counts a page, and the name by which a child finds the same one."""

import importlib
from collections.abc import Callable
from typing import cast

from services.fetcher.counting import PageCount, Question

Count = Callable[[bytes, str | None, Question], PageCount]
"""Takes a body, its Content-Type and the question. Raises `FetchError` when the body has no count."""


def path_of(count: Count) -> str:
    """The import path of a function of a module, as `module:function`.

    Raises:
        ValueError: it can't be imported by that path: it is no function of a module, or of `__main__`.
    """
    path = f"{count.__module__}:{count.__qualname__}"
    if count.__module__ == "__main__" or "." in count.__qualname__ or load(path) is not count:
        raise ValueError(f"{path} can't be imported by another process")
    return path


def load(path: str) -> Count:
    """The function at an import path."""
    module, _, name = path.partition(":")
    return cast(Count, getattr(importlib.import_module(module), name))
