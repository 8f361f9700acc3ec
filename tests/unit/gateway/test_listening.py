"""Where the gateway may listen, and what it says where it may not."""

import pytest
import structlog

from services.gateway import listening
from shared.settings import SettingError


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
async def test_loopback_needs_no_word(listen: str) -> None:
    with structlog.testing.capture_logs() as lines:
        addresses = await listening.addresses_of(listen, auth=None)
    assert addresses
    assert all(listening.is_loopback(address) for address in addresses)
    assert lines == []


async def test_an_address_that_stands_for_one_of_ipv4_is_listened_on_as_that() -> None:
    assert await listening.addresses_of("::ffff:127.0.0.1", auth=None) == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("listen", "reached_by"),
    [
        ("0.0.0.0", "any network address of this machine"),
        ("::", "any network address of this machine"),
        ("192.168.1.5", "everybody in the networks"),
        ("169.254.1.1", "everybody in the networks"),
        ("fd00::1", "everybody in the networks"),
        ("::ffff:10.0.0.1", "everybody in the networks"),
        ("8.8.8.8", "anybody on the internet"),
        ("2001:4860:4860::8888", "anybody on the internet"),
        ("0", "any network address of this machine"),  # as the C library spells 0.0.0.0
        ("134744072", "anybody on the internet"),
    ],
)
async def test_elsewhere_it_has_to_be_said(listen: str, reached_by: str) -> None:
    with pytest.raises(SettingError) as refused:
        await listening.addresses_of(listen, auth=None)
    for part in (f"WORDWATCH_LISTEN={listen}", reached_by, "WORDWATCH_AUTH=off", "127.0.0.1"):
        assert part in str(refused.value)
    with structlog.testing.capture_logs() as lines:
        assert len(await listening.addresses_of(listen, auth="off")) == 1
    assert [(line["log_level"], line["auth"]) for line in lines] == [("warning", "off")]
    assert reached_by in lines[0]["reached_by"]


@pytest.mark.parametrize("listen", ["no.such.name.invalid", "256.1.1.1", "127.0.0.1:8080", "a b", "ü" * 70])
async def test_what_means_no_address_is_named(listen: str) -> None:
    with pytest.raises(SettingError, match="WORDWATCH_LISTEN"):
        await listening.addresses_of(listen, auth="off")
