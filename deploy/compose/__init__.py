"""Proof that docker-compose.yml works on a real engine: `python3 -m deploy.compose.verify`. Needs no package."""
