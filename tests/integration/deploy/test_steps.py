import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deploy.local import records
from deploy.local.setup import exclusively
from deploy.local.steps import SetupError, Work
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


def test_sigterm_ends_a_set_up_and_all_it_started(tmp_path: Path) -> None:
    """A `go` that never ends stands for any long step."""
    fake = tmp_path / "bin" / "go"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\n[ "$1" = version ] && { echo go version go1.99.0; exit; }\nexec sleep 300\n')
    fake.chmod(0o755)
    tools = tmp_path / "tools"
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.local.setup", "--tools", str(tools), "--", "-c", "print('not reached')"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until(lambda: list(tools.glob("building-*")), within_s=30)
        process.send_signal(signal.SIGTERM)
        output, said = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "the next start goes on from here" in said
    assert output == ""
    assert not (tools / "bin" / ".nsq.stamp").exists()
    until(lambda: not _running_below(tools), within_s=5)


def _running_below(folder: Path) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words and int(entry.name) != os.getpid():
            found.append(words.decode(errors="replace"))
    return found
