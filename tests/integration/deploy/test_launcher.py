import subprocess
import sys
from pathlib import Path

from deploy.local import launcher
from shared.version import VERSION


def installed(folder: Path) -> Path:
    """The program, as the set-up writes it, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / launcher.NAME
    launcher.write(Path(sys.executable), program)
    return program


def run(program: Path, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [program, *arguments], cwd=cwd, env={}, capture_output=True, text=True, timeout=60, check=False
    )


def test_the_program_runs_from_any_folder_whatever_lies_there(tmp_path: Path) -> None:
    program = installed(tmp_path / "it's a folder")
    for name in ("shared", "services", "typer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('a stranger was imported')")

    ran = run(program, "--version", cwd=tmp_path)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"wordwatch {VERSION}\n", "")


def test_arguments_arrive_as_they_are(tmp_path: Path) -> None:
    ran = run(installed(tmp_path), "no such $HOME 'command'", cwd=tmp_path)
    assert ran.returncode == 2
    assert "no such $HOME 'command'" in ran.stderr


def test_it_is_written_anew_only_where_it_differs(tmp_path: Path) -> None:
    program = installed(tmp_path)
    before = program.stat()
    installed(tmp_path)
    assert program.stat().st_ino == before.st_ino
    program.write_text("an older one")
    installed(tmp_path)
    assert "services.cli" in program.read_text()
    assert [path.name for path in tmp_path.iterdir()] == [launcher.NAME]
