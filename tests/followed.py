"""A follow over the taps of three hosts: what it writes and when, against what tcpdump saw there."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Line:
    """A line that a program wrote, and when it came (ns)."""

    came: int
    text: str

    @property
    def fields(self) -> dict[str, Any]:
        """The line as the JSON object that it is."""
        return dict(json.loads(self.text))


@dataclass
class Lines:
    """What a program writes to a pipe, with the time of each line."""

    program: subprocess.Popen[bytes]
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.program.stdout is not None
        for line in self.program.stdout:
            self.lines.append(Line(time.time_ns(), line.decode("utf-8", "replace").rstrip()))

    def end(self) -> list[Line]:
        """Wait until the program has closed its pipe, return all lines."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.lines
