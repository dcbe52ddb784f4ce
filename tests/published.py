"""A program that captures and publishes, as an agent does, with packets of its own making.

    python tests/published.py URL FOLDER RATE SECONDS

It takes up what an earlier run left in FOLDER, and ends when all is published.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from support import ipv4, sip, udp

from sipstream.bus.connecting import Server, connect
from sipstream.bus.publishing import Publisher
from sipstream.packets import Batch, Linktype, Tally
from sipstream.segments import Folder, Room
from sipstream.session import Session
from sipstream.spool import PcapSpool

FLUSHED_SECONDS = 0.1
"""As live captures do."""


class Made:
    """Packets as they would be captured, so many a second, kept in a room's folder."""

    live = True

    def __init__(self, room: Room, rate: int, seconds: float) -> None:
        self.name = "made"
        self.tally = Tally(self.name)
        self.notes: list[str] = []
        self.store = PcapSpool(Linktype.RAW, room=room, label="made", threaded=True)
        self._rate, self._seconds = rate, seconds

    def progress(self) -> None:
        return

    async def batches(self) -> AsyncGenerator[Batch, None]:
        begun = flushed = time.monotonic()
        run, count = time.time_ns(), 0
        while (now := time.monotonic()) - begun < self._seconds:
            packets = []
            for number in range(count, int((now - begun) * self._rate)):
                packet = ipv4(udp(sip(call_id=f"{run}-{number // 4}", cseq=f"{number} INVITE")))
                packets.append((time.time_ns(), packet, len(packet)))
            count += len(packets)
            if packets:
                yield self.store.append_packets(packets)
            if now - flushed > FLUSHED_SECONDS:
                self.store.flush()
                flushed = now
            await asyncio.sleep(0.002)
        self.store.flush()


async def main(url: str, folder: Path, rate: int, seconds: float) -> None:
    room = Room(1 << 30, Folder(folder))
    async with Session(room=room) as session:
        publisher = Publisher(
            session, "tap", lambda: connect(Server(url), print), folder=folder / "publish"
        )
        publisher.former = session.sources.resume()
        async with publisher:
            session.sources.start(Made(room, rate, seconds))
            await session.sources.wait_sources()
            await asyncio.sleep(0.2)
            while publisher.figures().waiting:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
