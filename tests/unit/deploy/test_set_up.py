import ast
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import programs, steps


def test_a_stamp_holds_for_its_value_alone(tmp_path: Path) -> None:
    stamp = tmp_path / "stamp"
    assert not steps.stamped(stamp, "a")

    steps.write_stamp(stamp, "a")

    assert steps.stamped(stamp, "a")
    assert not steps.stamped(stamp, "b")


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    final = tmp_path / "go"
    with steps.building(tmp_path, final) as fresh:
        (fresh / "bin").touch()
        assert not final.exists()

    assert [path.name for path in tmp_path.iterdir()] == ["go"]
    assert (final / "bin").exists()


def test_a_folder_replaces_an_earlier_one(tmp_path: Path) -> None:
    final = tmp_path / "go"
    final.mkdir()
    (final / "old").touch()

    with steps.building(tmp_path, final) as fresh:
        (fresh / "new").touch()

    assert [path.name for path in final.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [final]


def half_build(tools: Path, final: Path) -> None:
    with steps.building(tools, final) as fresh:
        (fresh / "half").touch()
        raise steps.SetupError("stopped")


def test_a_folder_that_was_not_finished_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(steps.SetupError):
        half_build(tmp_path, tmp_path / "go")

    assert list(tmp_path.iterdir()) == []


def test_settings_that_would_change_a_build_are_dropped(tmp_path: Path) -> None:
    environ = {
        "GOFLAGS": "-mod=vendor",
        "GOOS": "plan9",
        "GOPROXY": "direct",
        "PYTHONPATH": "/x",
        "HOME": str(tmp_path),
    }

    env = programs.go_environment(environ, tmp_path)

    assert env["GOFLAGS"] == "-mod=readonly"
    assert env["GOTOOLCHAIN"] == "local"
    assert env["GOPROXY"] == "direct"
    assert not {"GOOS", "PYTHONPATH", "GOCACHE"} & set(env)


def test_go_keeps_its_caches_among_the_tools_where_there_is_no_home(tmp_path: Path) -> None:
    env = programs.go_environment({"HOME": "/nonexistent"}, tmp_path)

    assert Path(env["GOCACHE"]).is_relative_to(tmp_path)
    assert Path(env["GOPATH"]).is_relative_to(tmp_path)


def test_a_build_is_missing_until_its_programs_are_there(tmp_path: Path) -> None:
    assert programs.Programs(tmp_path).missing() == ["nsq", "supervisor"]


def test_an_older_python_gets_as_far_as_being_told_so() -> None:
    """What the set-up imports has nothing that Python 3.7 can't read, nor annotations that it would evaluate."""
    listed = subprocess.run(
        [sys.executable, "-c", "import sys, deploy.local.setup; print(*(m for m in sys.modules if m[:6] == 'deploy'))"],
        cwd=steps.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = [steps.ROOT / f"{name.replace('.', '/')}.py" for name in listed.stdout.split()]
    sources = [module.read_text(encoding="utf-8") for module in modules if module.exists()]

    assert len(sources) >= 6
    for source in sources:
        ast.parse(source, feature_version=(3, 7))
        assert "from __future__ import annotations" in source
