from pathlib import Path

import pytest

from deploy.local.commands import main


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ("fetcher=0", "out of range"),
        ("fetcher=33", "out of range"),
        ("fetcher=-1", "out of range"),
        ("fetcher=two", "out of range"),
        ("fetcher=", "out of range"),
        ("gateway=2", "gateway can't be scaled"),
        ("fetcher", "usage"),
    ],
)
def test_a_wish_that_can_not_be_met_is_told(
    wish: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scale", wish], {"WORDWATCH_HOME": str(tmp_path)}) == 2
    assert complaint in capsys.readouterr().err


def test_scaling_what_does_not_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scale", "fetcher=2"], {"WORDWATCH_HOME": str(tmp_path)}) == 1
    assert "nothing runs" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["stop", "ps"])
def test_stopping_or_showing_nothing_is_no_error(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command], {"WORDWATCH_HOME": str(tmp_path / "never made")}) == 0
    assert capsys.readouterr().out == "nothing runs\n"
    assert list(tmp_path.iterdir()) == []


def test_a_setting_that_can_not_be_used_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ps"], {"WORDWATCH_HOME": str(tmp_path), "WORDWATCH_PORT": "many"}) == 2
    assert "WORDWATCH_PORT" in capsys.readouterr().err
