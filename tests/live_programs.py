"""Ending sipstream as a person does, and waiting for what it says."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import IO


def wait_for(stream: IO[bytes] | None, text: bytes) -> None:
    """Read a pipe until a text came."""
    assert stream is not None
    seen = b""
    while text not in seen:
        piece = os.read(stream.fileno(), 4096)
        assert piece, f"ended before {text!r}: {seen!r}"
        seen += piece


def stop(program: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """End sipstream with Ctrl-C, return what it wrote."""
    program.send_signal(signal.SIGINT)
    output, errors = program.communicate(timeout=10)
    assert program.returncode == 130, errors
    return output, errors


def processor_seconds(pid: int) -> float:
    """Return the processor time that a program has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Return the bytes of memory that a program holds (RSS)."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
