import os
import signal
from pathlib import Path

from deploy.local import records


def test_this_process_is_alive() -> None:
    assert records.alive(records.this_process("me"))


def test_the_same_pid_with_another_start_is_a_stranger() -> None:
    stranger = records.this_process("me")._replace(start="another boot 1")

    assert not records.alive(stranger)


def test_a_stranger_gets_no_signal() -> None:
    # The signal would end the test run.
    assert not records.send(records.Process("me", os.getpid(), "another boot 1"), signal.SIGKILL)


def test_records_are_read_back(tmp_path: Path) -> None:
    me = records.this_process("me")
    records.write(tmp_path, me)

    assert records.read(tmp_path) == [me]


def test_a_later_record_replaces_an_earlier_one_of_its_name(tmp_path: Path) -> None:
    records.write(tmp_path, records.Process("nsqd", 1, "long ago"))
    records.write(tmp_path, records.Process("nsqd", 2, "now"))

    assert records.read(tmp_path) == [records.Process("nsqd", 2, "now")]


def test_a_record_that_can_not_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / records.FOLDER).mkdir(parents=True)
    (tmp_path / records.FOLDER / "broken.json").write_text('{"pid":')

    assert records.read(tmp_path) == []


def test_clear_keeps_the_records_of_the_living(tmp_path: Path) -> None:
    me = records.this_process("me")
    records.write(tmp_path, me)
    records.write(tmp_path, me._replace(name="gone", start="another boot 1"))

    records.clear(tmp_path)

    assert records.read(tmp_path) == [me]
