"""What a follower asks for, validated: pure functions from what came in to what is meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.gateway.answers import parse_id
from services.gateway.fields import Invalid
from services.gateway.requests import parameters
from shared.ids import batch_of

_UUID: Final = {"format": "uuid"}


class EventsInput(msgspec.Struct, kw_only=True):
    """The query parameters of `GET /events`."""

    check_id: Annotated[str, Meta(description="Only of this check.", extra_json_schema=_UUID)] | UnsetType = UNSET
    batch_id: (
        Annotated[str, Meta(description="Only of this batch and its checks.", extra_json_schema=_UUID)] | UnsetType
    ) = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What is followed: one check, one batch with its checks, or all there is."""

    check_id: UUID | None = None
    batch_id: UUID | None = None

    @property
    def is_all(self) -> bool:
        """Whether it is all there is."""
        return self.check_id is None and self.batch_id is None

    def has_check(self, check_id: UUID) -> bool:
        """Whether the check is among it."""
        if self.check_id is not None:
            return check_id == self.check_id
        return self.batch_id is None or batch_of(check_id) == self.batch_id

    def has_batch(self, batch_id: UUID) -> bool:
        """Whether the batch is among it."""
        return self.check_id is None and (self.batch_id is None or batch_id == self.batch_id)


def followed(query: Iterable[tuple[str, str]]) -> Followed:
    """Validates the query parameters.

    Raises:
        Problem: `invalid_request` with every invalid or unknown parameter.
    """
    fields = parameters(query)
    check_id = fields.read("check_id", _id, None)
    batch_id = fields.read("batch_id", _id, None)
    if "check_id" in fields.values and "batch_id" in fields.values:
        fields.read("batch_id", _one_of_the_two, None)
    fields.refuse_unknown(EventsInput.__struct_fields__, what="query parameter")
    fields.check()
    return Followed(check_id=check_id, batch_id=batch_id)


def _id(value: Any) -> UUID:
    found = parse_id(value)
    if found is None:
        raise Invalid("Must be an id: a UUID.")
    return found


def _one_of_the_two(_value: Any) -> None:
    raise Invalid("Either this or check_id can be given.")
