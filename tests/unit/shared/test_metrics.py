"""Metrics stay few, whatever is counted, and tell what they say they tell."""

import asyncio
import string
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.fetcher.metrics import Metrics as FetcherMetrics
from services.gateway.metrics import Metrics as GatewayMetrics
from services.recorder.metrics import Metrics as RecorderMetrics
from shared.db.metrics import DatabaseMetrics, Use
from shared.errors import ERRORS
from shared.loop_watch import EVERY_S, LoopWatch
from shared.messages import COMMAND_KINDS, OUTCOMES
from shared.metrics import OTHER, ServiceMetrics, known
from shared.nsq.errors import CODES, FrameError
from shared.nsq.metrics import ChannelMetrics, Metrics

WORDS = st.lists(st.text(string.printable, max_size=20), max_size=50)


def series(registry: CollectorRegistry) -> int:
    return sum(len(family.samples) for family in registry.collect())


def labels(registry: CollectorRegistry, name: str, label: str) -> set[str]:
    return {
        sample.labels[label]
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and label in sample.labels
    }


def test_only_what_stands_in_a_table_becomes_a_label() -> None:
    assert known("applied", OUTCOMES) == "applied"
    assert known("of the future", OUTCOMES) == OTHER


@settings(max_examples=10)
@given(WORDS)
def test_fetchers_count_outcomes_by_the_codes_of_the_table(codes: list[str]) -> None:
    registry = CollectorRegistry()
    metrics = FetcherMetrics(registry)
    for code in ("counted", *ERRORS, *codes):
        metrics.ended(code)
    assert labels(registry, "wordwatch_fetcher_attempts_total", "outcome") <= {"counted", OTHER, *ERRORS}
    metrics.began("bulk", timedelta(seconds=-1))
    assert registry.get_sample_value("wordwatch_fetcher_begin_delay_seconds_sum", {"lane": "bulk"}) == 0


@settings(max_examples=10)
@given(WORDS)
def test_commands_are_counted_by_the_kinds_and_outcomes_that_there_are(words: list[str]) -> None:
    registry, gateway_registry = CollectorRegistry(), CollectorRegistry()
    recorder, gateway = RecorderMetrics(registry), GatewayMetrics(gateway_registry, waiting=lambda: 0, most_waiting=1)
    for word in (*words, *OUTCOMES):
        recorder.command(word, word)
        gateway.command(word, word, 0.1)
        gateway.command("submit_check", None, 5.0)
    kinds, outcomes = COMMAND_KINDS | {OTHER}, OUTCOMES | {OTHER, "none"}
    assert labels(registry, "wordwatch_recorder_settled_commands_total", "kind") <= kinds
    assert labels(registry, "wordwatch_recorder_settled_commands_total", "outcome") <= outcomes
    assert labels(gateway_registry, "wordwatch_gateway_command_seconds_count", "kind") <= kinds
    assert labels(gateway_registry, "wordwatch_gateway_command_seconds_count", "outcome") <= outcomes


@settings(max_examples=10)
@given(st.lists(st.integers(0, 10**6), min_size=50, max_size=50, unique=True), WORDS)
def test_channels_of_instances_and_codes_of_nsqd_add_no_series(instances: list[int], codes: list[str]) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for number in instances:
        ChannelMetrics(metrics, "recorded#ephemeral", f"gateway-{number}#ephemeral").received(2, 1)
    before = series(registry)
    for number in instances:
        ChannelMetrics(metrics, "recorded#ephemeral", f"fetcher-{number}#ephemeral").received(1, 2)
    assert series(registry) == before
    for code in (*codes, *CODES):
        metrics.refused(FrameError(code, "because"))
    assert labels(registry, "wordwatch_nsq_refused_total", "code") <= CODES | {OTHER}


def test_a_wait_is_what_the_clocks_say_and_never_negative() -> None:
    registry = CollectorRegistry()
    channel = ChannelMetrics(Metrics(registry), "checks", "fetcher")
    channel.received(published_ns=1_000_000_000, now_ns=1_500_000_000)
    channel.received(published_ns=2_000_000_000, now_ns=1_000_000_000)
    name, of = "wordwatch_nsq_message_wait_seconds", {"topic": "checks", "channel": "fetcher"}
    assert registry.get_sample_value(f"{name}_sum", of) == pytest.approx(0.5)
    assert registry.get_sample_value(f"{name}_count", of) == 2


def test_connections_are_told_by_what_they_do() -> None:
    registry = CollectorRegistry()
    DatabaseMetrics(registry).watch(lambda: Use(open=5, busy=2), most=8)
    name = "wordwatch_database_connections"
    assert registry.get_sample_value(name, {"state": "busy"}) == 2
    assert registry.get_sample_value(name, {"state": "idle"}) == 3
    assert registry.get_sample_value(f"{name}_limit") == 8


def test_needs_are_told_as_they_are_and_lines_by_their_level() -> None:
    registry, needs = CollectorRegistry(), {"database": True}
    metrics = ServiceMetrics(registry, lambda: needs)
    metrics.count_line("info")
    metrics.count_line("odd")
    assert registry.get_sample_value("wordwatch_ready", {"need": "database"}) == 1
    needs["database"] = False
    assert registry.get_sample_value("wordwatch_ready", {"need": "database"}) == 0
    assert registry.get_sample_value("wordwatch_log_lines_total", {"level": "info"}) == 1
    assert registry.get_sample_value("wordwatch_log_lines_total", {"level": OTHER}) == 1


async def test_the_lag_of_the_loop_is_how_much_later_it_comes_than_asked() -> None:
    registry = CollectorRegistry()
    times = iter([0.0, EVERY_S, 10.0, 10.0 + EVERY_S + 3.0])
    turns: list[float] = []
    done = asyncio.Event()

    def clock() -> float:
        value = next(times, None)
        if value is None:
            done.set()
            return 0.0
        return value

    running = asyncio.create_task(LoopWatch(registry, clock=clock, on_turn=lambda: turns.append(0)).run())
    async with asyncio.timeout(30):
        await done.wait()
    running.cancel()
    name = "wordwatch_event_loop_lag_seconds"
    assert registry.get_sample_value(f"{name}_sum") == pytest.approx(3.0)
    assert registry.get_sample_value(f"{name}_bucket", {"le": "2.5"}) == 1
    assert len(turns) == 3
