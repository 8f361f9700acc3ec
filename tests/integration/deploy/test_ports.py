import os
import socket
from collections.abc import Iterator

import pytest

from deploy.local.ports import Port, is_free, problems


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_with_its_setting_and_holder(taken: int) -> None:
    [sentence] = problems([Port(taken, "WORDWATCH_PORT", "the gateway")])

    assert f"port {taken}" in sentence
    assert "WORDWATCH_PORT," in sentence
    assert "WORDWATCH_PORT_OFFSET" in sentence
    assert f"(pid {os.getpid()})" in sentence


def test_a_server_on_all_addresses_holds_the_port_as_well() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_port_that_a_server_has_left_is_free(taken: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # A connection that the server closes first lingers in TIME_WAIT at the server's port.
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()
            assert client.recv(1) == b""

    assert is_free(port)
    assert problems([Port(port, "WORDWATCH_PORT", "the gateway")]) == []
    assert not is_free(taken)


def test_a_port_wanted_twice_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    [sentence] = problems([Port(port, "WORDWATCH_PORT", "the gateway"), Port(port, "WORDWATCH_PG_PORT", "PostgreSQL")])

    assert "wanted twice" in sentence
    assert "WORDWATCH_PG_PORT" in sentence
