"""The filters of the lists, as the API takes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.cli.outcomes import UsageError

_OF_BATCHES: Final = frozenset({"status", "label"})


def of_checks(wanted: Mapping[str, str | None], limit: int) -> dict[str, str]:
    """The query of a list of checks; what is None was not asked for."""
    return {name: value for name, value in wanted.items() if value is not None} | {"limit": str(limit)}


def of_batches(wanted: Mapping[str, str | None], limit: int) -> dict[str, str]:
    """The query of a list of batches.

    Raises:
        UsageError: a filter that only checks have.
    """
    query = of_checks(wanted, limit)
    strange = sorted(query.keys() - _OF_BATCHES - {"limit"})
    if strange:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in strange)
        raise UsageError(f"batches are not found by {named}; --status and --label do")
    return query
