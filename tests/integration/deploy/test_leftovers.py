import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local import records
from deploy.local.stack import end_leftovers
from tests.integration.deploy.programs import launch, until

SLEEPS = "import time; time.sleep(300)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(300)"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "a home"
    folder.mkdir()
    return folder


@pytest.fixture
def stranger() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", SLEEPS], start_new_session=True) as process:
        yield process
        process.kill()


def test_the_launcher_records_the_pid_of_the_program_itself(home: Path) -> None:
    with launch(home, "nsqd", sys.executable, "-c", SLEEPS) as process:
        [record] = records.read(home)

        assert record.name == "nsqd"
        assert record.pid == process.pid
        assert records.alive(record)
        process.kill()


def test_what_an_earlier_run_left_is_ended(home: Path) -> None:
    said: list[str] = []
    with launch(home, "nsqd", sys.executable, "-c", SLEEPS) as process:
        assert end_leftovers(home, said.append) == 1

        assert process.wait(10) == -signal.SIGTERM
    assert said == [f"ending what an earlier run left behind: nsqd ({process.pid})"]
    assert records.read(home) == []


def test_what_does_not_end_by_itself_is_killed(home: Path) -> None:
    with launch(home, "nsqd", sys.executable, "-c", STUBBORN) as process:
        until(lambda: b"SIG_IGN" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        left = records.end(records.ours(home), within_s=0.2)

        assert left == []
        assert process.wait(10) in {-signal.SIGKILL, -signal.SIGTERM}


def test_children_in_a_session_of_their_own_are_ended(home: Path) -> None:
    grandchild = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True)"
    with launch(home, "fetcher-0", sys.executable, "-c", grandchild) as process:
        process.wait(10)
    [orphan] = records.ours(home)

    end_leftovers(home, lambda _said: None)

    assert not records.alive(orphan)


def test_a_stranger_that_has_the_pid_by_now_is_left_alone(home: Path, stranger: "subprocess.Popen[bytes]") -> None:
    records.write(home, records.Process("nsqd", stranger.pid, "an earlier start"))

    assert end_leftovers(home, lambda _said: None) == 0

    assert stranger.poll() is None
    assert records.read(home) == []


def test_the_processes_of_another_home_are_left_alone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with launch(tmp_path / "other", "nsqd", sys.executable, "-c", SLEEPS) as process:
        assert end_leftovers(home, lambda _said: None) == 0

        assert process.poll() is None
        process.kill()


def test_a_zombie_is_not_alive(home: Path) -> None:
    with launch(home, "nsqd", sys.executable, "-c", SLEEPS) as process:
        [record] = records.read(home)
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not records.alive(record))

        began = time.monotonic()
        with contextlib.suppress(ProcessLookupError):
            assert records.end([record], within_s=30) == []
        assert time.monotonic() - began < 5
