"""The stream of what changes: `GET /events`."""
