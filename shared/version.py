"""The version of wordwatch, the same for all services."""

VERSION = "0.1.0"
