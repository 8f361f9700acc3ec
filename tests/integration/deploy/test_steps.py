import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from deploy.local import records
from deploy.local.packages import Packages
from deploy.local.setup import exclusively, look_for_room
from deploy.local.steps import SetupError, Work, write_stamp
from tests.integration.deploy.programs import ROOT, until


def test_a_failing_step_shows_the_end_of_its_output(tmp_path: Path) -> None:
    work = Work(tmp_path, os.environ)

    with pytest.raises(SetupError, match=r"exit code 3(.|\n)*no network"):
        work.run([sys.executable, "-c", "print('no network'); raise SystemExit(3)"], env=dict(os.environ))

    assert "no network" in (tmp_path / "setup.log").read_text()


def test_stopping_ends_a_step_with_what_it_started(tmp_path: Path) -> None:
    work = Work(tmp_path, os.environ)
    told = tmp_path / "pid"
    child = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(300)"
    step = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    failed: list[SetupError] = []

    def run() -> None:
        try:
            work.run([sys.executable, "-c", step], env=dict(os.environ))
        except SetupError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: told.exists() and told.read_text())
    pid = int(told.read_text())

    work.stop()
    thread.join(10)

    assert failed
    until(lambda: records.start_of(pid) is None)
    with pytest.raises(SetupError, match="stopped"):
        work.run([sys.executable, "-c", ""], env=dict(os.environ))


def test_a_second_set_up_waits_for_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entered: list[float] = []

    def second() -> None:
        with exclusively(tmp_path, Work(tmp_path, os.environ)):
            entered.append(time.monotonic())

    thread = threading.Thread(target=second)
    with exclusively(tmp_path, Work(tmp_path, os.environ)):
        thread.start()
        until(lambda: "waiting for it" in capsys.readouterr().err)
        left = time.monotonic()
    thread.join(10)

    assert entered[0] >= left


@contextmanager
def endless_set_up(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """A set-up in the middle of its work: a `go` that never ends stands for any long step."""
    fake = folder / "bin" / "go"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\n[ "$1" = version ] && { echo go version go1.99.0; exit; }\nsleep 300; true\n')
    fake.chmod(0o755)
    tools = folder / "tools"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it is inherited where it is ignored
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.local.setup", "--tools", str(tools), "--", "-c", "print('not reached')"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        signal.signal(signal.SIGINT, before)
        try:
            until(lambda: list(tools.glob("building-*")) and _running_below(fake), within_s=30)
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_set_up_and_all_it_started(number: signal.Signals, tmp_path: Path) -> None:
    with endless_set_up(tmp_path) as process:
        process.send_signal(number)
        output, said = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "the next start goes on from here" in said
    assert "Traceback" not in said
    assert output == ""
    assert not (tmp_path / "tools" / "bin" / ".nsq.stamp").exists()
    until(lambda: not _running_below(tmp_path), within_s=5)


def test_a_killed_set_up_leaves_nothing_running(tmp_path: Path) -> None:
    with endless_set_up(tmp_path) as process:
        process.kill()

    until(lambda: not _running_below(tmp_path), within_s=5)


def test_what_a_step_leaves_running_is_its_own_affair(tmp_path: Path) -> None:
    """The guard of a step goes when the step is done, and takes nothing along."""
    told = tmp_path / "pid"
    Work(tmp_path, os.environ).run(["/bin/sh", "-c", f"sleep 300 & echo $! > {told}"], env=dict(os.environ))
    pid = int(told.read_text())
    try:
        until(lambda: len(_running_below(told)) == 0)  # the guard
        assert records.start_of(pid) is not None
    finally:
        os.kill(pid, signal.SIGKILL)


def test_an_installation_that_fails_is_not_built_upon(tmp_path: Path) -> None:
    """pip may not find its way out of half of a package."""
    packages = Packages(tmp_path, "run")
    base = packages.folder / "wordwatch-base.stamp"
    packages.python.parent.mkdir(parents=True)
    packages.python.write_text("#!/bin/sh\necho no index; exit 1\n")
    packages.python.chmod(0o755)
    write_stamp(base, packages.base)

    with pytest.raises(SetupError, match=r"no index(.|\n)*HTTPS_PROXY"):
        packages.make(Work(tmp_path, os.environ))

    assert not base.exists()


@pytest.mark.long
def test_an_installation_that_was_broken_off_begins_anew(tmp_path: Path) -> None:
    packages, work = Packages(tmp_path, "run"), Work(tmp_path, {**os.environ, "PIP_NO_INDEX": "1"})
    half = packages.folder / "lib" / "half"

    with pytest.raises(SetupError, match="HTTPS_PROXY"):
        packages.make(work)  # there is no index to take them from
    half.touch()
    with pytest.raises(SetupError):
        packages.make(work)

    assert not half.exists()


def test_too_little_room_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"only \d.* GiB are free.*WORDWATCH_HOME"):
        look_for_room(tmp_path, 2**60)


def test_python_without_venv_is_told(tmp_path: Path) -> None:
    """As Debian's is, without its package python3-venv."""
    (tmp_path / "ensurepip.py").write_text("raise ImportError('not here')")
    (tmp_path / "venv.py").write_text("raise SystemExit('No module named venv')")
    done = subprocess.run(
        [sys.executable, "-c", _MAKE_PACKAGES, str(tmp_path / "tools"), str(ROOT)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "apt install python3-venv" in done.stderr


_MAKE_PACKAGES = """
import os, sys
tools, root = sys.argv[1:]
sys.path.append(root)
from pathlib import Path
from deploy.local import steps
from deploy.local.packages import Packages
Path(tools).mkdir()
Packages(Path(tools), "run").make(steps.Work(Path(tools), os.environ))
"""


def _running_below(folder: Path) -> list[str]:
    return [words.decode(errors="replace") for words in _command_lines() if os.fsencode(folder) in words]


def _command_lines() -> Iterator[bytes]:
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) != os.getpid():
                yield (entry / "cmdline").read_bytes()
