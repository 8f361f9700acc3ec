"""The table: everything that the lab can do to a fetcher."""

from __future__ import annotations

from typing import Final

from deploy.lab.bodies import BODIES, CODINGS, TYPES
from deploy.lab.charsets import CHARSETS
from deploy.lab.hazard import Group, Hazard
from deploy.lab.heads import CONNECTIONS, HEADS, TLS
from deploy.lab.redirects import REDIRECTS, REFRESHES
from deploy.lab.statuses import CROWDED, STATUSES, WALLS
from deploy.lab.stress import STRESS

GROUPS: Final[tuple[Group, ...]] = (
    STATUSES, CROWDED, WALLS, REDIRECTS, REFRESHES, BODIES, CODINGS, TYPES, CHARSETS, STRESS, HEADS, CONNECTIONS, TLS,
)  # fmt: skip
HAZARDS: Final[tuple[Hazard, ...]] = tuple(hazard for group in GROUPS for hazard in group.hazards)
