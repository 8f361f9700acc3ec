import fcntl
from pathlib import Path

import pytest

from deploy.local import homes
from deploy.local.commands import main
from deploy.local.homes import HomeError


def say_nothing(_text: str) -> None:
    pass


def test_a_new_folder_becomes_a_home(tmp_path: Path) -> None:
    home = tmp_path / "not yet" / "there"
    assert not homes.is_ours(home)

    homes.claim(home)
    homes.claim(home)

    assert homes.is_ours(home)
    assert [path.name for path in home.iterdir()] == [homes.MARKER]


def test_what_else_is_in_a_home_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()

    homes.claim(tmp_path)

    assert homes.is_ours(tmp_path)


@pytest.mark.parametrize("name", homes.FOLDERS)
def test_somebody_elses_folders_are_not_taken_for_ours(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()

    with pytest.raises(HomeError, match=f"{name} is there, and is not wordwatch's"):
        homes.claim(tmp_path)

    assert not homes.is_ours(tmp_path)


@pytest.mark.parametrize("folder", [Path("/"), Path("~"), homes.ROOT, homes.ROOT / "deploy" / ".."])
def test_the_root_the_users_folder_and_the_project_are_no_homes(folder: Path) -> None:
    with pytest.raises(HomeError, match="name a folder below it"):
        homes.claim(folder.expanduser())

    assert not (folder.expanduser() / homes.MARKER).exists()


@pytest.mark.parametrize("lock", homes.LOCKS)
def test_a_lock_of_another_program_makes_no_home(lock: Path, tmp_path: Path) -> None:
    (tmp_path / lock).parent.mkdir()
    (tmp_path / lock).touch()

    with pytest.raises(HomeError, match="nothing was removed"):
        homes.remove(tmp_path, say_nothing)

    assert (tmp_path / lock).exists()


def test_the_home_in_the_project_folder_is_known_by_its_name() -> None:
    assert homes.is_ours(homes.ROOT / ".wordwatch")


def test_a_place_that_can_not_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(HomeError, match="Set WORDWATCH_HOME to a folder where you may write"):
        homes.claim(tmp_path / "file" / "home")


def test_clean_removes_what_was_made_and_the_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    homes.claim(home)
    for name in homes.FOLDERS:
        (home / name).mkdir()
    closed = home / "tools" / "cache"
    (closed / "module").mkdir(parents=True)
    (closed / "module" / "file").touch()
    (home / "tools" / "lib64").symlink_to("cache")  # as in a virtual environment
    closed.chmod(0o500)  # as Go leaves its modules
    (closed / "module").chmod(0o500)

    assert main(["clean"], {"WORDWATCH_HOME": str(home)}) == 0

    assert list(tmp_path.iterdir()) == []
    assert f"removed {home}" in capsys.readouterr().out


def test_clean_leaves_what_is_not_ours(tmp_path: Path) -> None:
    homes.claim(tmp_path)
    (tmp_path / "logs").mkdir()
    (tmp_path / "letters").mkdir()

    assert main(["clean"], {"WORDWATCH_HOME": str(tmp_path)}) == 0

    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


@pytest.mark.parametrize("names", [(), ("logs", "run", "tools", "postgres")])
def test_clean_refuses_a_folder_that_is_no_home(
    names: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "precious").touch()

    assert main(["clean"], {"WORDWATCH_HOME": str(tmp_path)}) == 1

    assert "nothing was removed" in capsys.readouterr().err
    assert sorted(path.parent.name for path in tmp_path.glob("*/precious")) == sorted(names)


def test_where_a_link_leads_to_is_not_removed(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "another disk"
    elsewhere.mkdir()
    (elsewhere / "data").touch()
    homes.claim(home)
    (home / "postgres").symlink_to(elsewhere)

    assert homes.remove(home, say_nothing)

    assert not home.exists()
    assert (elsewhere / "data").exists()


@pytest.mark.parametrize("lock", homes.LOCKS)
def test_clean_does_not_take_a_home_away_from_under_what_is_at_work(lock: Path, tmp_path: Path) -> None:
    homes.claim(tmp_path)
    (tmp_path / lock).parent.mkdir()
    with (tmp_path / lock).open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(HomeError, match="is at work"):
            homes.remove(tmp_path, say_nothing)

    assert (tmp_path / lock).exists()


def test_cleaning_what_was_never_made_is_no_error(tmp_path: Path) -> None:
    assert main(["clean"], {"WORDWATCH_HOME": str(tmp_path / "never made")}) == 0
