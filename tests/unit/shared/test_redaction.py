import pytest

from shared.redaction import Redactor, hide_password, secrets_of
from shared.settings import describe, load


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://me:secret@db:5432/words", "postgres://me:…@db:5432/words"),
        ("postgres://me@db/words", "postgres://me@db/words"),
        ("postgres://db/words", "postgres://db/words"),
        ("postgres:///words?host=/run/postgresql", "postgres:///words?host=/run/postgresql"),
        ("postgres://me:se@cr/et#1@db/words", "postgres://me:…@db/words"),
        ("postgres://me:se?cret@db/words", "postgres://me:…@db/words"),
        ("postgres://db/words?user=me@there&password=secret", "postgres://db/words?user=me@there&password=…"),
        ("postgres://db/words?user=me&password=secret&sslmode=require", "postgres://db/words?user=me&password=…&sslmode=require"),
        ("postgres://me:secret@one,two/words?sslpassword=other", "postgres://me:…@one,two/words?sslpassword=…"),
    ],
)  # fmt: skip
def test_the_url_of_a_database_is_shown_without_its_password(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_the_list_of_settings_shows_no_password() -> None:
    told = describe(load({"WORDWATCH_DATABASE_URL": "postgres://me:p@ss/word@db/words?password=w0rd"}))
    assert "postgres://me:…@db/words?password=…" in told
    assert "ss/word" not in told
    assert "w0rd" not in told


def test_a_password_is_known_as_it_is_written_and_as_it_is_meant() -> None:
    assert {"p%40ss", "p@ss"} <= secrets_of("postgres://me:p%40ss@db/words")
    assert {"pa/ss", "pa", "ss"} <= secrets_of("postgres://me:pa/ss@db/words")
    assert secrets_of("postgres://db/words") == set()
    assert "other" in secrets_of("postgres://db/words?password=other")


def test_only_what_may_be_a_secret_is_taken_out() -> None:
    hide = Redactor(["longer secret", "short"])
    plain = "http://example.org/@someone short DETAILs mail@example.org"
    assert hide(plain) == plain
    assert hide("a longer secret.") == "a ….", "whatever stands around it"
    assert hide("x http://u:p@h/ y https://tok@h") == "x http://…@h/ y https://…@h"
    assert hide("ERROR\nDETAIL:  Key (key)=(k).\nHINT: h") == "ERROR\nDETAIL: …\nHINT: h"
    chained = "E: x\nDETAIL:  Failing row contains (1, two\nlines\n\nof it).\n\nDuring handling of the above …"
    assert hide(chained) == "E: x\nDETAIL: …\n\nDuring handling of the above …"
    for text in ("http://u@h", "DETAIL:  x", "the longer secret", r"the longer\u0020secret"):
        assert hide.suspects(text)
    assert not hide.suspects("http://example.org/ short")
