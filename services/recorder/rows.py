"""Messages as columns for SQL, one list a column, and rows as states."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from services.recorder import questions
from services.recorder.ledger import Ledger
from services.recorder.lifecycle import Change, CheckState
from shared.errors import MAX_RETRY_AFTER_S
from shared.ids import batch_of, seq_of
from shared.messages import AttemptFinished, AttemptRef, CommandOutcome, FetcherHere, Question, SubmitCheck

Columns = Sequence[list[Any]]


def columns(values: Iterable[Sequence[Any]], *, width: int = 0) -> Columns:
    """Rows turned into lists, one a column; of no rows, `width` empty ones."""
    return [list(column) for column in zip(*values, strict=True)] or [[] for _ in range(width)]


def json_text(value: Any) -> str:
    """JSON that PostgreSQL's jsonb takes: it has no U+0000, which becomes U+FFFD."""
    text = msgspec.json.encode(value).decode()
    if "\\u0000" in text:
        text = msgspec.json.encode(_without_nul(msgspec.to_builtins(value))).decode()
    return text


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(each) for each in value]
    return value


def storable(text: str) -> str:
    """Text that PostgreSQL takes: it has no U+0000."""
    return text.replace("\0", "\ufffd")


def state(row: asyncpg.Record) -> CheckState:
    """A row of `checks` as the state that is decided on."""
    return CheckState(**{name: row[name] for name in CheckState.__slots__})


def keys(commands: Iterable[SubmitCheck]) -> Columns:
    """For TAKE_KEYS, in the order of the keys."""
    held = sorted((c.idempotency.key, c.idempotency.digest, c.check_id) for c in commands if c.idempotency)
    return columns(held)


def pauses(values: Iterable[tuple[str, float]], trusted: Collection[str]) -> Columns:
    """For PAUSE_HOSTS; a pause is at most `MAX_RETRY_AFTER_S`."""
    return columns([(host, min(pause_s, MAX_RETRY_AFTER_S)) for host, pause_s in values if host not in trusted])


def attempts(refs: Iterable[AttemptFinished | AttemptRef]) -> Columns:
    """For LOCK_FLUSH."""
    return columns([(ref.check_id, ref.attempt) for ref in refs], width=2)


def asked(values: Iterable[tuple[UUID, Question]]) -> Columns:
    """For ADD_QUESTIONS: questions by their ids."""
    return columns(
        [(id_, questions.same_of(q), json_text(q.words), q.scope, q.whole_word, q.case_sensitive) for id_, q in values]
    )


def once_each(commands: Iterable[SubmitCheck]) -> list[SubmitCheck]:
    """One command a check, in the order of their ids."""
    return sorted({command.check_id: command for command in commands}.values(), key=lambda each: each.check_id)


def checks(commands: Iterable[SubmitCheck], now: datetime) -> Columns:
    """For ADD_CHECKS."""
    return columns(
        [
            (
                c.check_id,
                c.url,
                c.host,
                questions.id_of(c.question),
                c.label,
                c.trace,
                c.run_at if c.run_at is not None and c.run_at > now else None,
            )
            for c in commands
        ]
    )


def new_checks(commands: Iterable[SubmitCheck]) -> Columns:
    """For SUBMIT_AT_ONCE."""
    return columns([(c.check_id, c.url, c.host, questions.id_of(c.question), c.label, c.trace) for c in commands])


def written(ledger: Ledger) -> Columns:
    """What has become of checks, for WRITE_CHECKS and RECORD_AT_ONCE."""
    changes = sorted(ledger.changes.items())
    return [
        *_states(changes, ledger.before),
        [id_ for id_, change in changes if change.due_at is None and change.state.status != "running"],
        *columns([(id_, change.due_at) for id_, change in changes if change.due_at is not None], width=2),
        [id_ for id_, change in changes if change.state.status == "cancelled"],
        sorted(ledger.reopened),
        *columns([_result(change.result) for _, change in changes if change.result is not None], width=10),
        *columns([_ended(report) for report in ledger.history], width=8),
    ]


def _states(changes: Iterable[tuple[UUID, Change]], was: Mapping[UUID, CheckState]) -> Columns:
    """Checks with what becomes of them, and as they were."""
    return columns(
        [
            (
                id_,
                was[id_].status,
                s.status,
                s.run,
                s.first_attempt,
                s.attempts,
                s.lost,
                s.deaths,
                s.next_attempt_at,
                s.started_at,
                s.finished_at,
            )
            for id_, s in ((id_, change.state) for id_, change in changes)
        ],
        width=11,
    )


def lines(check_ids: Iterable[UUID]) -> Columns:
    """For FORGET_LINES: the lines that checks of batches are for."""
    return columns([(batch_of(check_id), seq_of(check_id)) for check_id in check_ids])


def _result(report: AttemptFinished) -> tuple[Any, ...]:
    error, counted = report.error, report.counted
    return (
        report.check_id,
        report.attempt,
        report.fetcher,
        error.code if error else None,
        storable(error.detail) if error else None,
        json_text(counted.counts) if counted else None,
        counted.total if counted else None,
        counted.rule_version if counted else None,
        json_text(counted.snippets) if counted else None,
        json_text(report.facts),
    )


def _ended(report: AttemptFinished) -> tuple[Any, ...]:
    return (
        report.check_id,
        report.attempt,
        report.run,
        report.started_at,
        report.finished_at,
        report.facts.http_status,
        report.error.code if report.error else None,
        report.fetcher,
    )


def outcomes(values: Iterable[CommandOutcome]) -> Columns:
    """For STORE_OUTCOMES."""
    return columns([(o.id, o.outcome, o.check_id, o.batch_id) for o in values])


def fetchers(values: Iterable[FetcherHere]) -> Columns:
    """For STORE_FETCHERS."""
    return columns([(f.fetcher, f.version, f.capacity, f.in_flight, f.finished_last_s, f.at) for f in values])
