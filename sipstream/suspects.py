"""Faults of ours, kept for who mends them: packets that a stage failed on, and tracebacks.

In the state folder, 0600, of bounded size, told once; nothing here may fail in turn.
"""

from __future__ import annotations

import faulthandler
import os
import struct
import tempfile
import time
import traceback
from pathlib import Path

from sipstream import config
from sipstream.limits import MAX_PACKET, MAX_SUSPECTS_FILE
from sipstream.packets import Linktype, Suspect

_HEADER = struct.Struct("<IHHiIII")
_RECORD = struct.Struct("<IIII")
_NS = 1_000_000_000


def keep_packets(suspects: list[Suspect]) -> Path | None:
    """Append packets to a capture file of their link type, printed ones to a text.

    Returns the last file written, None where nothing could be.
    """
    kept = None
    for suspect in suspects:
        if suspect.linktype == Linktype.TCPDUMP_TEXT:
            kept = _append("suspects.txt", b"", suspect.data) or kept
            continue
        head = _HEADER.pack(0xA1B23C4D, 2, 4, 0, 0, MAX_PACKET, suspect.linktype)
        seconds, rest = divmod(max(suspect.time, 0), _NS)
        data = suspect.data[:MAX_PACKET]
        record = _RECORD.pack(seconds & 0xFFFFFFFF, rest, len(data), len(suspect.data)) + data
        kept = _append(f"suspects-{suspect.linktype}.pcap", head, record) or kept
    return kept


def keep_traceback(error: BaseException) -> Path | None:
    """Append an error's traceback to a text, return that; None where it couldn't be."""
    text = "".join(traceback.format_exception(error))
    return _append("faults.txt", b"", text.encode("utf-8", "backslashreplace") + b"\n")


def keep_stacks() -> Path | None:
    """Append where every thread is to a text, return that; None where it couldn't be."""
    folder = config.state_folder()
    if folder is None:
        return None
    with tempfile.TemporaryFile() as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return _append("stacks.txt", b"", time.strftime("%F %T\n").encode() + file.read() + b"\n")


def _append(name: str, head: bytes, data: bytes) -> Path | None:
    folder = config.state_folder()
    if folder is None:
        return None
    path = folder / name
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return None
    try:
        with os.fdopen(descriptor, "ab") as file:
            size = os.fstat(descriptor).st_size
            if size + len(data) > MAX_SUSPECTS_FILE:
                return None
            file.write(data if size else head + data)
    except OSError:
        return None
    return path
