"""The lab keeps to its own bounds, whatever is asked of it, and leaves nothing."""

import socket
import time

import pytest

from deploy.lab.doors import ADDRESS, Door, Doors
from deploy.lab.lab import Lab, LabError
from deploy.lab.visit import Bounds
from tests.integration.servers import free_port

WITHIN_S = 20.0


def open_lab(bounds: Bounds | None = None, doors: Doors | None = None) -> Lab:
    doors = doors or Doors({door: free_port() for door in Door})
    return Lab(doors, trusted=True, gateway="http://127.0.0.1:8080", bounds=bounds)


def ask(lab: Lab, path: str) -> socket.socket:
    client = socket.create_connection((ADDRESS, lab.doors.ports[Door.WEB]), timeout=WITHIN_S)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n".encode())
    return client


def read_all(client: socket.socket) -> int:
    received = 0
    try:
        while data := client.recv(1_000_000):
            received += len(data)
    except ConnectionResetError:
        pass
    return received


def test_the_front_page_and_what_there_is_not() -> None:
    with open_lab() as lab:
        with ask(lab, "/") as client:
            assert read_all(client) > 15_000
        with ask(lab, "/body/nothing") as client:
            assert client.recv(12) == b"HTTP/1.1 404"


def test_the_endless_ends() -> None:
    with open_lab(Bounds(bytes=1_000_000)) as lab, ask(lab, "/body/endless") as client:
        assert 500_000 < read_all(client) <= 1_000_000


def test_nobody_waits_for_ever() -> None:
    with open_lab(Bounds(seconds=0.2)) as lab, ask(lab, "/head/silent") as client:
        assert read_all(client) == 0


def test_more_connections_than_there_may_be_are_hung_up_on() -> None:
    with open_lab(Bounds(connections=2)) as lab, ask(lab, "/head/silent"), ask(lab, "/head/silent"):
        deadline_s = time.monotonic() + WITHIN_S
        while True:  # until both have been accepted
            with ask(lab, "/body/empty") as third:
                if read_all(third) == 0:
                    break
            assert time.monotonic() < deadline_s


def test_what_is_no_request_is_left_alone() -> None:
    with open_lab() as lab:
        for sent in (b"nonsense\r\n\r\n", b"x" * 100_000, b"\x16\x03\x01\x00\r\n\r\n"):
            with socket.create_connection((ADDRESS, lab.doors.ports[Door.WEB]), timeout=WITHIN_S) as client:
                client.sendall(sent)
                assert read_all(client) == 0
        lab.check()


def test_a_port_in_use_is_told_and_nothing_stays_open() -> None:
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        taken.listen()
        doors = Doors({door: free_port() for door in Door} | {Door.OTHER_NAME: taken.getsockname()[1]})
        with pytest.raises(LabError, match="in use"), open_lab(doors=doors):
            pass
        assert not any(answers(port) for door, port in doors.ports.items() if door is not Door.OTHER_NAME)


def test_a_closed_lab_answers_no_more() -> None:
    with open_lab() as lab, ask(lab, "/body/drip"):
        assert [door for door, port in lab.doors.ports.items() if not answers(port)] == [Door.CLOSED]
    assert not any(answers(port) for port in lab.doors.ports.values())
    with pytest.raises(LabError):
        lab.check()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((ADDRESS, port)) == 0
