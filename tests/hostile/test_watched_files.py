"""Watched files under a writer that does what it likes, in real time: the program must keep up.

What each look makes of each step is tested beside the source (`tests/sources/test_tail.py`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from waysin import FORMATS

SECONDS = 15
"""How long what is to be shown within a second is waited for: other tests run beside."""
SETTLE = 0.4
"""Several looks at the file: longer than a writer leaves to what it hasn't thought of."""


class Watched:
    """A file that the program watches, and a writer of numbered messages."""

    def __init__(self, folder: Path, kind: str = "pcap") -> None:
        self.path = folder / "watched"
        self.target = self.path
        self._kind = kind
        self._head = FORMATS[kind]([])
        self._next = 0
        self._shown, self._said = folder / "shown", folder / "said"
        with self._shown.open("wb") as shown, self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sipstream", "--tail", str(self.path), "--json", "--follow", ""],
                stdin=subprocess.DEVNULL, stdout=shown, stderr=said,
            )  # fmt: skip

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()

    def packets(self, count: int) -> bytes:
        """The bytes of the next packets."""
        first, self._next = self._next, self._next + count
        return FORMATS[self._kind](range(first, self._next))[len(self._head) :]

    def begin(self, count: int) -> None:
        """Write a new file with its head and the next packets."""
        self.target.write_bytes(self._head + self.packets(count))

    def append(self, count: int) -> None:
        """Write the next packets to the file as it is."""
        with self.target.open("ab") as file:
            file.write(self.packets(count))

    def numbers(self) -> list[int]:
        """The numbers of the messages shown so far, in the order they were shown in."""
        lines = self._shown.read_bytes().splitlines(keepends=True)
        return [
            int(json.loads(line)["call_id"].removeprefix("call-"))
            for line in lines
            if line.endswith(b"\n")
        ]

    def said(self) -> list[str]:
        """What was said of the file, without its name."""
        return [line.removeprefix(f"{self.path}: ") for line in self._said.read_text().splitlines()]

    def says(self, words: str) -> None:
        """Wait until something is said of the file."""
        self._wait(lambda: any(line.startswith(words) for line in self.said()))

    def shows_all(self) -> None:
        """Wait for all that was written, and a while for what would be shown twice."""
        self._wait(lambda: len(self.numbers()) >= self._next)
        time.sleep(SETTLE)
        assert self.numbers() == list(range(self._next)), self.said()

    def _wait(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not done() and time.monotonic() < end:
            assert self._process.poll() is None, self.said()
            time.sleep(0.05)
        assert done(), (self.numbers(), self.said())


every_kind = pytest.mark.parametrize("kind", FORMATS)


def test_single_bytes_to_a_file_that_comes_late(tmp_path: Path) -> None:
    """Row P7: absent at the start, then written byte by byte."""
    with Watched(tmp_path) as watched:
        watched.says("isn't there yet: waiting for a file there")
        watched.begin(0)
        with watched.path.open("ab", buffering=0) as file:
            for place, byte in enumerate(watched.packets(3)):
                file.write(bytes([byte]))
                if place % 100 == 0:
                    time.sleep(0.02)
        watched.shows_all()
        assert watched.said()[-1] == "is there now"


@every_kind
def test_five_rotations_in_a_second(kind: str, tmp_path: Path) -> None:
    """Row P7: renamed and made anew every 0.2 s: no message lost, none twice, in their order."""
    with Watched(tmp_path, kind) as watched:
        watched.begin(3)
        watched.shows_all()
        for _ in range(5):
            watched.append(2)
            for number in range(8, 0, -1):
                older = tmp_path / f"watched.{number}"
                if older.exists():
                    older.rename(tmp_path / f"watched.{number + 1}")
            watched.path.rename(tmp_path / "watched.1")
            watched.begin(2)
            time.sleep(0.2)
        watched.append(1)
        watched.shows_all()
        assert set(watched.said()) == {
            "is a new file now (rotated or replaced): read from its beginning"
        }


@pytest.mark.parametrize("kind", ["pcap", "text"])
def test_copied_and_truncated(kind: str, tmp_path: Path) -> None:
    """Row P7: read again from 0, and the possible loss is named."""
    with Watched(tmp_path, kind) as watched:
        watched.begin(4)
        watched.shows_all()
        for copy in range(2):
            shutil.copy(watched.path, tmp_path / f"watched.{copy}")
            os.truncate(watched.path, 0)
            time.sleep(SETTLE)
            with watched.path.open("ab") as file:
                file.write(FORMATS[kind]([]) + watched.packets(2))
            watched.shows_all()
        words = "was truncated, begins again: what was written just before may be lost"
        assert watched.said() == [words, words]


def test_truncated_to_a_half(tmp_path: Path) -> None:
    """Row P7: what is left is there already, and isn't shown twice."""
    with Watched(tmp_path) as watched:
        watched.begin(4)
        half = watched.path.stat().st_size
        watched.append(4)
        watched.shows_all()
        os.truncate(watched.path, half)
        watched.says("was truncated, begins again")
        watched.append(2)
        watched.shows_all()


def test_deleted_and_made_anew(tmp_path: Path) -> None:
    """Row P7: it waits and says so; the new file may have the old one's inode."""
    with Watched(tmp_path) as watched:
        watched.begin(2)
        watched.shows_all()
        for _ in range(2):
            watched.path.unlink()
            time.sleep(SETTLE)
            assert watched.said()[-1] == "was deleted: waiting for a file there"
            watched.begin(2)
            watched.shows_all()


def test_replaced_by_another_type(tmp_path: Path) -> None:
    """Row P7: by a directory, a FIFO, a device; then by a file again."""
    with Watched(tmp_path) as watched:
        watched.begin(2)
        watched.shows_all()
        for make, words in (
            (watched.path.mkdir, "is a directory: waiting for a file there"),
            (lambda: os.mkfifo(watched.path), "is a pipe, not a file"),
            (lambda: watched.path.symlink_to("/dev/zero"), "is a device, not a file"),
        ):
            watched.path.unlink()
            make()
            watched.says(words)
            watched.path.rmdir() if watched.path.is_dir() else watched.path.unlink()
            watched.begin(2)
            watched.shows_all()


def test_a_link_that_is_moved(tmp_path: Path) -> None:
    """Row P7: a symbolic link to the file of the day."""
    link = tmp_path / "watched"
    link.symlink_to(tmp_path / "day-0")
    with Watched(tmp_path) as watched:
        for day in range(2):
            watched.target = tmp_path / f"day-{day}"
            watched.begin(2)
            fresh = tmp_path / "fresh"
            fresh.symlink_to(watched.target)
            fresh.rename(link)
            watched.append(2)
            watched.shows_all()


def test_times_of_change_that_jump(tmp_path: Path) -> None:
    """Row P7: as on a network's file system whose clock is another one."""
    with Watched(tmp_path) as watched:
        watched.begin(1)
        for stamp in (0, 2**32, 1, 2**31):
            os.utime(watched.path, (stamp, stamp))
            time.sleep(SETTLE / 3)
            watched.append(1)
            os.utime(watched.path, (stamp, stamp))
        watched.shows_all()
        assert watched.said() in ([], ["isn't there yet: waiting for a file there", "is there now"])
