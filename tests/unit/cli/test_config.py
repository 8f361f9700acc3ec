from pathlib import Path

import pytest

from services.cli import config
from services.cli.outcomes import UsageError
from shared import settings


def written(folder: Path, text: str) -> Path:
    (folder / "wordwatch").mkdir()
    (folder / "wordwatch" / "config.toml").write_text(text, encoding="utf-8")
    return folder


def test_what_is_given_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    assert config.choose(None, tmp_path) == config.Server("http://localhost:8080", "the default")
    written(tmp_path, 'server = "https://words.example.org/"')
    chosen = config.choose(None, tmp_path)
    assert chosen.url == "https://words.example.org"
    assert chosen.source.endswith("config.toml")
    assert config.choose(" http://other:1 ", tmp_path).url == "http://other:1"


@pytest.mark.parametrize("empty", ["", " ", None])
def test_an_empty_variable_is_none(tmp_path: Path, empty: str | None) -> None:
    assert config.choose(empty, tmp_path).source == "the default"


def test_a_file_without_a_server_says_nothing(tmp_path: Path) -> None:
    assert config.choose(None, written(tmp_path, "# nothing yet\n")).url == config.DEFAULT


@pytest.mark.parametrize(
    "text", ["server = 8080", "servre = 'http://a'", "server = ", "server = 'ftp://a'", "server='http://'", "\xff=1"]
)
def test_a_file_that_can_not_be_meant_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"config\.toml"):
        config.choose(None, written(tmp_path, text))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("localhost:8380", "http://localhost:8380"),
        ("words.example.org", "http://words.example.org"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://example.org/wordwatch/", "https://example.org/wordwatch"),
    ],
)
def test_an_address_may_be_written_shortly(tmp_path: Path, given: str, url: str) -> None:
    assert config.choose(given, tmp_path).url == url


@pytest.mark.parametrize(
    "given", ["ftp://a", "http://", "http://a?b=c", "http://me@a", "http://a:b", "http://[a", "a b:c"]
)
def test_what_is_no_address_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(UsageError, match="WORDWATCH_SERVER"):
        config.choose(given, tmp_path)


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://localhost:8080", True),
        ("http://127.0.0.2", True),
        ("http://[::1]:8080", True),
        ("http://ww.localhost", True),
        ("http://example.org", False),
        ("http://10.0.0.1", False),
    ],
)
def test_a_server_on_this_machine_is_known_by_its_name(url: str, *, local: bool) -> None:
    assert config.Server(url, "").is_local is local


def test_the_folder_of_settings_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "x"))
    assert settings.config_dir() == tmp_path / "x"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CONFIG_HOME", ignored)
        assert settings.config_dir() == tmp_path / ".config"
