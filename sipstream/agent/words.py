"""What an agent says: a line each on standard error, where a service's journal reads it."""

from __future__ import annotations

from sipstream.escape import shield
from sipstream.shell.writer import Writer


class Words:
    """Lines to a descriptor, which never wait: a journal that stands still costs no packet."""

    def __init__(self, descriptor: int = 2) -> None:
        self._writer = Writer(descriptor)

    def tell(self, text: str) -> None:
        """Say a sentence."""
        self._writer.write(f"{_line(text)}\n")

    def complain(self, text: str) -> None:
        """Say what went wrong."""
        self._writer.write(f"*** Error! {_line(text)}\n")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _line(text: str) -> str:
    return shield(text).replace("\n", "; ")
