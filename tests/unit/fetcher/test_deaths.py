import signal

import pytest

from services.fetcher.reading.deaths import Cause, Death, cause_of, code_of
from services.fetcher.reading.limits import EXIT_MEMORY
from shared.errors import ERRORS, Retry

MIB = 2**20


def death(exit_code: int, *, peak_mib: int = 0, busy_s: float | None = None) -> Death:
    return Death(exit_code, peak_mib * MIB, 1.0, busy_s)


@pytest.mark.parametrize(
    ("how", "cause"),
    [
        (death(-signal.SIGSEGV), Cause.CRASH),
        (death(-signal.SIGABRT, peak_mib=100), Cause.CRASH),
        (death(1), Cause.CRASH),
        (death(0), Cause.CRASH),  # it may end only when it is told to
        (death(EXIT_MEMORY), Cause.MEMORY),
        (death(-signal.SIGSEGV, peak_mib=512), Cause.MEMORY),
        (death(-signal.SIGXCPU, peak_mib=900), Cause.CPU),
        (death(-signal.SIGALRM, busy_s=0.3), Cause.TIME),
        (death(-signal.SIGALRM), Cause.TIME),
        (death(-signal.SIGALRM, busy_s=9.5, peak_mib=900), Cause.STARVED),
        (death(-signal.SIGKILL), Cause.OUTSIDE),
        (death(-signal.SIGKILL, peak_mib=300), Cause.MEMORY),
    ],
)
def test_rule_15_what_a_death_says(how: Death, cause: Cause) -> None:
    assert cause_of(how, memory_bytes=1024 * MIB, wall_s=10) is cause


@pytest.mark.parametrize("cause", [Cause.CRASH, Cause.MEMORY, Cause.CPU, Cause.TIME])
def test_rule_15_its_code_is_tried_once_more(cause: Cause) -> None:
    assert code_of(cause) == ("poison" if cause is Cause.CRASH else "too_complex")
    assert ERRORS[code_of(cause)].retry is Retry.ONCE


def test_a_death_reads_well_in_a_log() -> None:
    assert str(death(-signal.SIGSEGV, peak_mib=3)) == "SIGSEGV after 1.0 s of processor time, with 3 MiB at most"
    assert str(death(77)).startswith("exit code 77")
