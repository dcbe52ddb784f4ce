"""Which files were rotated past unseen: made and renamed between two looks at the followed name.

Only names are known here, and what lies next to them. A file counts when its name is the followed
one with a number or date added, and when it was written to after the one that was read last.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

_STAMP = r"[._-]?\d[\d._:T-]*"


class Identity(NamedTuple):
    """Which file it is, whatever its name; stays true while somebody has it open."""

    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Return the identity of the file that a status was taken of."""
        return cls(status.st_dev, status.st_ino)


def passed_over(path: Path, since_ns: int, known: set[Identity]) -> list[tuple[Path, Identity]]:
    """Return files that were `path` for a while and aren't in `known`, the oldest first.

    `since_ns` is when the file before them was last written to (ns since the epoch).
    """
    pattern = re.compile(
        f"{re.escape(path.name)}{_STAMP}|{re.escape(path.stem)}{_STAMP}{re.escape(path.suffix)}"
    )
    found: list[tuple[int, int, Path, Identity]] = []
    for entry in _entries(path.parent):
        if not pattern.fullmatch(entry.name):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue  # renamed or deleted meanwhile
        identity = Identity.of(status)
        is_news = status.st_mtime_ns >= since_ns and identity not in known
        if is_news and stat.S_ISREG(status.st_mode):
            # Of equal times the higher number is the older file: log.2, log.1.
            order = -_number(entry.name.removeprefix(path.stem))
            found.append((status.st_mtime_ns, order, Path(entry.path), identity))
    return [(where, identity) for _, _, where, identity in sorted(found)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what lies in a folder; nothing where it may not be listed."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _number(text: str) -> int:
    """Return the last number in a name's addition, 0 when there is none."""
    digits = re.findall(r"\d+", text)
    return int(digits[-1][:18]) if digits else 0
