"""The writer of the stack with Celery: takes results from NSQ and writes them row by row, by SQLAlchemy."""

import asyncio
import json
import os
from datetime import datetime

import ansq
from sqlalchemy import DateTime, create_engine, func
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """The tables."""


class Result(Base):
    """One page."""

    __tablename__ = "peer_results"
    id: Mapped[int] = mapped_column(primary_key=True)
    url: Mapped[str]
    status: Mapped[int | None]
    count: Mapped[int | None]
    error: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


async def main() -> None:
    """Writes until it is ended."""
    engine = create_engine(os.environ["PEER_DATABASE"].replace("postgres://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    reader = await ansq.create_reader(
        topic="peer_results",
        channel="writer",
        connection_options=ansq.ConnectionOptions(),
        nsqd_tcp_addresses=[os.environ["PEER_NSQD_TCP"]],
    )
    print("ready", flush=True)
    with Session(engine) as session:
        async for message in reader.messages():
            session.add(Result(**json.loads(message.body)))
            session.commit()
            await message.fin()


if __name__ == "__main__":
    asyncio.run(main())
