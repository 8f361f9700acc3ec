"""What people do with `make run` besides: odd folders, a second stack, no network, cleaning up."""

import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import ROOT, Stack, running

pytestmark = pytest.mark.timeout(300)

ODD = f"""it's "{"long" * 20}" $HOME `exit` {{{{braces}}}} ü 言葉"""
# In a network of its own: SIOCGIFFLAGS, SIOCSIFFLAGS and IFF_UP bring up loopback, all that is left; see netdevice(7).
ALONE = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    asked = fcntl.ioctl(any_socket, 0x8913, struct.pack("16sH14x", b"lo", 0))
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", struct.unpack_from("16sH", asked)[1] | 1))
os.execvp(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("homes") / ODD) as stack:
        yield stack


def answers(stack: Stack) -> bool:
    with urllib.request.urlopen(f"{stack.url}/api/v1/version", timeout=10) as answer:  # noqa: S310
        return bool(answer.status == 200)


def test_two_stacks_run_side_by_side(first: Stack, tmp_path: Path) -> None:
    before = first.pids()
    second = Stack(tmp_path / ODD)

    shown = second.make("demo")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"\bpython +5 +5 +ok\b", shown.stdout)
    assert second.left_processes() == []
    assert first.pids() == before
    assert answers(first)


def test_a_stack_on_ports_in_use_says_whose_they_are_and_does_no_harm(first: Stack, tmp_path: Path) -> None:
    second = Stack(tmp_path / "home", {"WORDWATCH_PORT_OFFSET": first.environ["WORDWATCH_PORT_OFFSET"]})

    told = second.make("run")

    assert told.returncode != 0
    assert f"port {first.config.port} (the gateway) is in use" in told.stderr
    assert f"(pid {first.pids()['gateway']})" in told.stderr
    assert "WORDWATCH_PORT_OFFSET" in told.stderr
    assert second.left_processes() == []
    assert answers(first)


def test_clean_stops_the_stack_and_removes_only_what_is_its_own(first: Stack) -> None:
    """The last one in this file."""
    (first.home / "letters").write_text("kept")

    cleaned = first.make("clean")

    assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
    assert first.left_processes() == []
    assert {path.name for path in first.home.iterdir()} == {"letters", "output"}
    assert first.process is not None
    assert first.process.wait(10) == 0


@pytest.mark.parametrize("command", ["run", "demo", "clean"])
def test_a_folder_that_is_not_ours_is_left_alone(command: str, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "of another program").touch()

    refused = Stack(tmp_path).make(command)

    assert refused.returncode != 0
    assert str(tmp_path) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["logs", "logs/of another program"]


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_a_second_start_needs_no_network(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None
    stack = Stack(tmp_path / "home")

    shown = subprocess.run(
        [unshare, "--net", sys.executable, "-c", ALONE, "make", "--no-print-directory", "demo"],
        cwd=ROOT,
        env=stack.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert re.search(r"\bpython +5 +5 +ok\b", shown.stdout)
