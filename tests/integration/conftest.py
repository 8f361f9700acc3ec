"""Fixtures that every integration test may ask for."""

from tests.integration.postgres import database_url, empty_database_url, postgres

__all__ = ["database_url", "empty_database_url", "postgres"]
