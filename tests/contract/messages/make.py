"""Golden messages: one of each kind, all fields set. `python -m tests.contract.messages.make` writes those not there.

A file that was released is never changed: it stands for messages that may still wait in a queue somewhere.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared import messages
from shared.messages import (
    AttemptError,
    AttemptFinished,
    AttemptRef,
    AttemptsLate,
    AttemptsStarted,
    CancelBatch,
    CancelCheck,
    ChangedCheck,
    ClaimedCheck,
    ClockReading,
    ClockReadings,
    CloseBatch,
    CommandOutcome,
    Counted,
    DeleteBatch,
    DeleteCheck,
    FetcherHere,
    FillBatch,
    Filter,
    Idempotency,
    OpenBatch,
    PageFacts,
    PauseBatch,
    Question,
    Record,
    Recorded,
    ResumeBatch,
    RetryBatch,
    RetryCheck,
    RetryChecks,
    Snippet,
    SubmitCheck,
)

FOLDER = Path(__file__).parent / "golden"
CHECK, COMMAND = UUID("0199a1b2-c3d4-7000-8000-000000000001"), UUID("0199a1b2-c3d4-7000-8000-000000000002")
BATCH = UUID("0199a1b2-c3d4-7000-8000-000000000000")
AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
QUESTION = Question(words=("python", "open source"), scope="source", whole_word=False, case_sensitive=True)
REF = AttemptRef(check_id=CHECK, attempt=2, host="example.org", at=AT)

GOLDEN: dict[str, tuple[messages.Message, Callable[[bytes], Any]]] = {
    "submit_check.1": (
        SubmitCheck(
            id=COMMAND,
            expires_at=AT,
            check_id=CHECK,
            url="http://example.org/",
            host="example.org",
            question=QUESTION,
            label="team page",
            idempotency=Idempotency(key="k", digest="d"),
            trace="t",
        ),
        messages.decode_command,
    ),
    "submit_check.2": (
        SubmitCheck(
            id=COMMAND,
            expires_at=AT,
            check_id=CHECK,
            url="http://example.org/",
            host="example.org",
            question=QUESTION,
            run_at=AT,
        ),
        messages.decode_command,
    ),
    "cancel_check.1": (CancelCheck(id=COMMAND, expires_at=AT, check_id=CHECK, trace="t"), messages.decode_command),
    "retry_check.1": (RetryCheck(id=COMMAND, expires_at=AT, check_id=CHECK, trace="t"), messages.decode_command),
    "delete_check.1": (DeleteCheck(id=COMMAND, expires_at=AT, check_id=CHECK, trace="t"), messages.decode_command),
    "retry_checks.1": (
        RetryChecks(
            id=COMMAND,
            expires_at=AT,
            filter=Filter(
                status="failed",
                host="*.org",
                label="team page",
                word="python",
                batch_id=BATCH,
                error="http_error",
                http_status=500,
                url_prefixes=("http://www.", "https://www."),
                from_id=CHECK,
                below_id=COMMAND,
            ),
            trace="t",
        ),
        messages.decode_command,
    ),
    "open_batch.1": (
        OpenBatch(id=COMMAND, expires_at=AT, batch_id=BATCH, question=QUESTION, label="team pages", trace="t"),
        messages.decode_command,
    ),
    "fill_batch.1": (
        FillBatch(
            id=COMMAND,
            expires_at=AT,
            batch_id=BATCH,
            number=1,
            first_seq=1001,
            records=(
                Record(
                    line=7, text="example.org,go", url="http://example.org/", host="example.org", question=0, label="a"
                ),
                Record(line=8, text="example.org,,a", url="http://example.org/", host="example.org", label="a"),
                Record(line=9, text="ftp://example.org", reason="The address has another scheme than http and https."),
            ),
            questions=(QUESTION,),
            file="pages.csv",
            trace="t",
        ),
        messages.decode_command,
    ),
    "close_batch.1": (
        CloseBatch(
            id=COMMAND,
            expires_at=AT,
            batch_id=BATCH,
            chunks=2,
            total=1002,
            idempotency=Idempotency(key="k", digest="d"),
            trace="t",
        ),
        messages.decode_command,
    ),
    "cancel_batch.1": (
        CancelBatch(id=COMMAND, expires_at=AT, batch_id=BATCH, reason="The upload broke off.", trace="t"),
        messages.decode_command,
    ),
    **{
        f"{name}.1": (kind(id=COMMAND, expires_at=AT, batch_id=BATCH, trace="t"), messages.decode_command)
        for name, kind in {
            "pause_batch": PauseBatch,
            "resume_batch": ResumeBatch,
            "retry_batch": RetryBatch,
            "delete_batch": DeleteBatch,
        }.items()
    },
    "claimed_check.1": (
        ClaimedCheck(
            check_id=CHECK,
            attempt=2,
            run=1,
            url="http://example.org/",
            host="example.org",
            question=QUESTION,
            lane="bulk",
            claimed_at=AT,
            not_before=AT,
            not_after=AT,
            lost=1,
            deaths=1,
            trace="t",
        ),
        messages.decode_claimed_check,
    ),
    "finished_counted.1": (
        AttemptFinished(
            check_id=CHECK,
            attempt=2,
            run=1,
            host="example.org",
            fetcher="fetcher-1",
            started_at=AT,
            finished_at=AT,
            counted=Counted(
                counts={"python": 1, "open source": 0},
                total=1,
                rule_version=1,
                snippets={"python": (Snippet(before="we write ", match="Python", after=""),)},
            ),
            facts=PageFacts(
                http_status=200,
                final_url="https://example.org/",
                redirects=("https://example.org/",),
                address="192.0.2.1",
                title="About",
                content_type="text/html",
                charset="utf-8",
                bytes=48211,
                timings_ms={"dns": 3, "connect": 20},
            ),
            trace="t",
        ),
        messages.decode_report,
    ),
    "finished_failed.1": (
        AttemptFinished(
            check_id=CHECK,
            attempt=1,
            run=1,
            host="example.org",
            fetcher="fetcher-1",
            started_at=AT,
            finished_at=AT,
            error=AttemptError(code="rate_limited", detail="503", retry=True, retry_after_s=30),
            facts=PageFacts(http_status=503),
        ),
        messages.decode_report,
    ),
    "finished_bulk.1": (
        AttemptFinished(
            check_id=CHECK,
            attempt=1,
            run=1,
            host="example.org",
            fetcher="fetcher-1",
            started_at=AT,
            finished_at=AT,
            error=AttemptError(code="connect_failed", detail="refused", retry=True),
            trace="t",
            lane="bulk",
        ),
        messages.decode_report,
    ),
    "started.1": (AttemptsStarted(fetcher="fetcher-1", attempts=(REF,)), messages.decode_report),
    "late.1": (AttemptsLate(fetcher="fetcher-1", attempts=(REF,)), messages.decode_report),
    "here.1": (
        FetcherHere(fetcher="fetcher-1", version="0.1.0", at=AT, capacity=64, in_flight=3, finished_last_s=12),
        messages.decode_report,
    ),
    "recorded.1": (
        Recorded(
            checks=(ChangedCheck(id=CHECK, status="done"),),
            outcomes=(CommandOutcome(id=COMMAND, outcome="repeated", check_id=CHECK),),
        ),
        messages.decode_recorded,
    ),
    "recorded.3": (
        Recorded(outcomes=(CommandOutcome(id=COMMAND, outcome="repeated", batch_id=BATCH),)),
        messages.decode_recorded,
    ),
    "recorded.2": (Recorded(deleted=(CHECK,)), messages.decode_recorded),
    "clock_readings.1": (
        ClockReadings(readings=(ClockReading(fetcher="fetcher-1", said_at=AT, database_at=AT),)),
        messages.decode_clock_readings,
    ),
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, (message, _) in GOLDEN.items():
        path = FOLDER / f"{name}.json"
        if not path.exists():
            path.write_bytes(messages.encode(message) + b"\n")
