"""`last 5m` counts from the newest message, but for those that claim to be of the future."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from rings import call_ids, packet, remote, write_ring
from support import sip

from sipstream.newest import newest_of
from sipstream.session import Session
from sipstream.stored import open_stored

HOUR = 3600 * 10**9
NOW = 10**18
YEARS = 50 * 365 * 24 * HOUR


@pytest.mark.parametrize(
    ("known", "times", "newest"),
    [
        (0, [], 0),
        (0, [5, 7, 6], 7),
        (9, [5, 7], 9),
        (9, [NOW + YEARS], 9),
        (9, [5, NOW + YEARS, 12], 12),
        (0, [NOW + YEARS, NOW + YEARS + 1], NOW + YEARS + 1),
        (NOW + YEARS, [NOW + YEARS + 1], NOW + YEARS + 1),
        (NOW + YEARS, [5, 7], 7),
        (NOW, [NOW + HOUR // 2], NOW + HOUR // 2),
    ],
)
def test_times_of_the_future_count_where_there_are_no_others(
    known: int, times: list[int], newest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: NOW)
    assert newest_of(known, times) == newest


def captures(folder: Path) -> list[Path]:
    """A ring of two files; in the first one somebody claims to be of the future."""
    now = time.time()
    write_ring(
        folder,
        [
            [
                packet(1, sip(call_id="old"), at=now - 3600),
                packet(2, sip(call_id="forged"), at=now + YEARS / 1e9),
            ],
            [packet(3, sip(call_id="new"), at=now - 60)],
        ],
    )
    return sorted(folder.glob("*.pcap"))


async def test_it_counts_from_what_may_be_true(tmp_path: Path) -> None:
    async with Session() as session:
        for path in captures(tmp_path / "ring"):
            await session.sources.load(path)
        listed = await session.listed("last 5m")
        found = {session.conversations[number].call_id for number in listed.numbers}
        assert found == {"new", "forged"}


async def test_it_does_in_a_ring(tmp_path: Path) -> None:
    captures(tmp_path / "ring")
    async with Session() as session:
        remote(session, tmp_path / "ring")
        assert await call_ids(session, "last 5m") == ["forged", "new"]


async def test_it_does_in_an_archive(tmp_path: Path) -> None:
    archives = pytest.importorskip("archives")
    await archives.archive(tmp_path / "archive", *captures(tmp_path / "ring"))
    async with Session() as session:
        open_stored(f"archive://{tmp_path / 'archive'}", session)
        assert await call_ids(session, "last 5m") == ["forged", "new"]
