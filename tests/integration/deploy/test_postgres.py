import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from deploy.local import postgres, records
from deploy.local.stack import end_leftovers
from tests.integration.deploy.programs import ROOT, until
from tests.integration.servers import free_port

# A container's root lacks CAP_SYS_PTRACE; an ordinary user's server runs as that user, who needs none.
UNABLE_TO_LOOK = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"] if os.geteuid() == 0 else []
END = """
import pathlib, sys
from deploy.local import records
sys.exit(len(records.end(records.ours(pathlib.Path(sys.argv[1])), within_s=0.5)))
"""


@contextmanager
def server(home: Path, port: int) -> Iterator["subprocess.Popen[str]"]:
    """The server, as the supervisor starts it; killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.local.postgres", str(home), str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            end_leftovers(home, lambda _said: None)


def wait_ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "ready to accept connections" in line:
            return
    pytest.fail("".join(seen))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """As hard as a home can be: spaces, closed to others, too long for a Unix socket's path."""
    folder = tmp_path / "closed to others" / ("long" * 25) / "ü"
    folder.mkdir(parents=True)
    (tmp_path / "closed to others").chmod(0o700)
    return folder


async def test_it_serves_the_database_and_ends_by_sigint(home: Path) -> None:
    port = free_port()
    with server(home, port) as process:
        wait_ready(process)
        connection = await asyncpg.connect(postgres.url(home, port))
        assert await connection.fetchval("SELECT current_database() || ' ' || current_user") == "wordwatch wordwatch"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SHOW fsync") == "on"
        await connection.close()

        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0

    assert not (home / "postgres" / "data" / "postmaster.pid").exists()


async def test_nobody_gets_in_without_the_password(home: Path) -> None:
    port = free_port()
    with server(home, port) as process:
        wait_ready(process)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(f"postgresql://wordwatch:guessed@127.0.0.1:{port}/wordwatch")


async def test_what_was_committed_is_there_after_a_kill(home: Path) -> None:
    port = free_port()
    with server(home, port) as process:
        wait_ready(process)
        connection = await asyncpg.connect(postgres.url(home, port))
        await connection.execute("CREATE TABLE kept (word text); INSERT INTO kept VALUES ('python')")
        os.kill(process.pid, signal.SIGKILL)
        connection.terminate()
        process.wait(10)
        until(lambda: not records.ours(home))  # its parts notice, and end
    assert (home / "postgres" / "data" / "postmaster.pid").exists()

    with server(home, port) as process:
        wait_ready(process)
        connection = await asyncpg.connect(postgres.url(home, port))
        assert await connection.fetchval("SELECT word FROM kept") == "python"
        await connection.close()


def test_a_killed_servers_lock_does_not_count_when_a_stranger_has_its_pid(home: Path) -> None:
    port = free_port()
    with server(home, port) as process:
        wait_ready(process)
        process.send_signal(signal.SIGINT)
        process.wait(20)
    lock = home / "postgres" / "data" / "postmaster.pid"
    # Of the server's own user: PostgreSQL takes such a process for a running server, and refuses to start.
    with subprocess.Popen(["sleep", "300"], user=lock.parent.stat().st_uid) as stranger:
        lock.write_text(f"{stranger.pid}\n{lock.parent}\n")
        try:
            with server(home, port) as process:
                wait_ready(process)

            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_cluster_is_made_by_binaries_below_any_path(home: Path, tmp_path: Path) -> None:
    """initdb puts its own path between double quotes into a shell's command."""
    binaries = postgres.copy_binaries(postgres.find_binaries(), tmp_path / 'it\'s "odd" $HOME `exit` \\')
    who = postgres.account(binaries, home)

    data = postgres.make_cluster(home, binaries, who, postgres.server_environment(os.environ))

    assert (data / "PG_VERSION").exists()


def test_a_cluster_that_was_not_finished_is_made_anew(home: Path) -> None:
    half_made = home / "postgres" / "making-half" / "data"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")

    with server(home, free_port()) as process:
        wait_ready(process)

    assert not half_made.exists()


def test_a_database_of_another_version_is_told(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9.6\n")

    with server(home, free_port()) as process:
        output, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert "was made by PostgreSQL 9.6" in output
    assert "WORDWATCH_DATABASE_URL" in output


def test_all_of_a_killed_server_is_found_and_ended(home: Path) -> None:
    port = free_port()
    with server(home, port) as process:
        wait_ready(process)
        parts = records.ours(home)
        assert len(parts) > 3  # the server and its background processes

        end_leftovers(home, lambda _said: None)

        assert not any(records.alive(part) for part in parts)


def test_orphans_are_found_and_ended_also_where_root_may_not_look_into_processes(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with server(home, free_port()) as process, server(other, free_port()) as stranger:
        wait_ready(process)
        wait_ready(stranger)
        strangers = records.ours(other)
        process.send_signal(signal.SIGSTOP)  # from now on it starts no other part
        parts = [part for part in records.ours(home) if part.pid != process.pid]
        stopped = [part for part in parts if records.send(part, signal.SIGSTOP)]  # or they would notice, and end
        assert len(stopped) > 3
        process.kill()
        process.wait(10)
        orphans = records.ours(home)
        assert {*orphans} >= {*stopped}

        subprocess.run([*UNABLE_TO_LOOK, sys.executable, "-c", END, home], cwd=ROOT, timeout=60, check=True)

        assert not any(records.alive(orphan) for orphan in orphans)
        assert all(records.alive(other_part) for other_part in strangers)
