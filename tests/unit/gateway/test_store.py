import asyncpg

from services.gateway.store import STALE_AFTER_S, Store


async def test_without_news_of_the_database_readiness_ends_by_the_clock_alone() -> None:
    now_s = 100.0
    never_used = asyncpg.create_pool("postgres://127.0.0.1:1/none", min_size=0)
    store = Store(never_used, clock=lambda: now_s)
    assert store.ready()
    now_s += STALE_AFTER_S
    assert store.ready()
    now_s += 0.001
    assert not store.ready()
