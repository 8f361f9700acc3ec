"""Proves that docker-compose.yml works on the engine of this machine: `python3 -m deploy.compose.verify`.

It builds the image and starts a project of its own, with ports and a password made for it, beside whatever runs. Then
it scales and crashes it while checks are in hand, and accounts for every check: "0 lost" and exit code 0, or what is
lost and 1. At the end, and on Ctrl-C, it removes all that it made but the build cache.
"""

import argparse
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from deploy.compose.client import ADDRESS, Client, ClientError
from deploy.compose.engine import EngineError, Project, run
from deploy.compose.steps import DOWN_WITHIN_S, PAGES, PAGES_PORT, TWO_NSQDS, Verification

FILES = ("docker-compose.yml", "deploy/compose/verify.yml")
PATIENCE_S = 90.0
CONDITION = {
    # Shorter leases than usual, so that what was lost is seen to come back in less time.
    "WORDWATCH_FETCH_TIMEOUT_S": "10",
    "WORDWATCH_LEASE_S": "25",
}


def _free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((ADDRESS, 0))) for _ in range(number)]
        return [one.getsockname()[1] for one in sockets]


def _environ(name: str, port: int, admin_port: int) -> dict[str, str]:
    """The environment without settings for another stack, and with those of this one."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("WORDWATCH_", "COMPOSE_"))}
    return clean | {
        **CONDITION,
        "WORDWATCH_IMAGE": name,
        "WORDWATCH_POSTGRES_PASSWORD": "p'a\"s$s w/o:r@d-" + secrets.token_urlsafe(16),  # any character will do
        "WORDWATCH_PORT": str(port),
        "WORDWATCH_NSQADMIN_PORT": str(admin_port),
        "WORDWATCH_TRUSTED_HOSTS": f"{PAGES}:{PAGES_PORT}",
    }


@contextmanager
def _project(port: int, admin_port: int, *, keep: bool) -> Iterator[Project]:
    """A project of a new name, all of which is removed at the end."""
    name = f"wordwatch-verify-{secrets.token_hex(3)}"
    project = Project(name, FILES, _environ(name, port, admin_port))
    try:
        yield project
    finally:
        if keep:
            print(f"kept: docker compose --project-name {name} ps; remove it with: docker compose -p {name} down -v")
        else:
            _remove(project)


def _remove(project: Project) -> None:
    before = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)]
    print("removing what was made …", flush=True)
    try:
        project.also(TWO_NSQDS).compose(
            *("down", "--volumes", "--remove-orphans", "--timeout", "10"), timeout_s=DOWN_WITHIN_S
        )
        made = project.docker("image", "ls", "--quiet", "--filter", f"reference={project.name}*").split()
        if made:
            project.docker("image", "rm", "--force", *made, timeout_s=DOWN_WITHIN_S)
    except EngineError as error:
        print(f"not all could be removed: {error}", file=sys.stderr)
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def _verify(project: Project, client: Client, admin: Client, checks: int) -> bool:
    try:
        return Verification(project, client, admin, checks=checks).run()
    except (EngineError, ClientError):
        with suppress(EngineError):
            print(project.compose("logs", "--tail", "20", timeout_s=60).strip(), file=sys.stderr)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the verification; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", type=int, default=300, help="checks in each part (300)")
    parser.add_argument("--keep", action="store_true", help="leave everything as it is at the end, to look at")
    options = parser.parse_args(arguments)
    client, admin = (Client(port, patience_s=PATIENCE_S) for port in _free_ports(2))

    def interrupt(_number: int, _frame: object) -> None:
        client.give_up()
        admin.give_up()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        print(run(["docker", "compose", "version"], timeout_s=30).strip(), flush=True)
        with _project(client.port, admin.port, keep=options.keep) as project:
            well = _verify(project, client, admin, options.checks)
    except (EngineError, ClientError) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
