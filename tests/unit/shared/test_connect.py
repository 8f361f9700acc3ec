import pytest

from shared.db.connect import DatabaseUnavailableError, connect


@pytest.mark.parametrize("password", ["geheim/wort", "geheim#wort", "geheim?wort", "ge[heim", "geheim:w@rt/x"])
async def test_a_url_that_can_not_be_read_is_not_quoted(password: str) -> None:
    with pytest.raises(DatabaseUnavailableError) as raised:
        await connect(f"postgres://me:{password}@127.0.0.1:1/words")
    told = f"{raised.value!r} {raised.value.__cause__!r}"
    assert not [piece for piece in ("geheim", "heim", "wort", "w@rt") if piece in told], told


async def test_what_is_wrong_otherwise_is_said() -> None:
    with pytest.raises(DatabaseUnavailableError, match="invalid DSN"):
        await connect("mysql://me:geheim@127.0.0.1/words")
