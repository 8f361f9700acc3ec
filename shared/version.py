"""The versions that wordwatch tells of itself, the same in all services."""

VERSION = "0.1.0"

RULE_VERSION = 1
"""Version of the rule in docs/counting.md. It is stored with each count, and changes when any count could."""
