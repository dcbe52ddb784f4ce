"""What is opened at the start, while root's rights are there, and that they are gone afterwards."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream import privileges
from sipstream.errors import SourceError

if TYPE_CHECKING:
    import socket

    from sipstream.parallel import Reading
    from sipstream.ring.indexer import Indexer
    from sipstream.sources.hep_socket import Bound
    from sipstream.sources.packet_socket import Sockets
    from sipstream.spool import FileStore

_SPARE_SOCKETS = 4
"""Captures that a shell may start, at a time, beside those named on the command line."""
_IMPORTED_LATER = (
    "aiofiles.threadpool.binary",
    "asyncio.taskgroups",
    "concurrent.futures.thread",
    "dpkt.pcap",
    "encodings.idna",
    "lark",
    "multiprocessing.connection",
    "multiprocessing.popen_fork",
    "nkeys",
    "platformdirs.unix",
    "plotext",
    "wcwidth",
)
"""What ours import only when they need it, beside their own modules."""
_FOR_CAPTURES = ("scapy.arch.common", "scapy.libs.winpcapy")
_FOR_SHELL = ("sipstream.shell.completion", "sipstream.shell.prompt")
"""These bring prompt_toolkit along, which is large."""


@dataclass(slots=True)
class Opened:
    """What could be opened: sockets for captures, files by name (or why they can't be read)."""

    sockets: Sockets | None = None
    files: dict[str, FileStore | SourceError] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict, repr=False)
    """Files that other processes read already."""
    listening: socket.socket | None = None
    """Where figures are served (`--prometheus`)."""
    hep: list[Bound] = field(default_factory=list, repr=False)
    """Where HEP is listened for."""
    hep_key: bytes = field(default=b"", repr=False)
    """The key of HEP packets, b"" for none."""
    secret: bytes | None = field(default=None, repr=False)
    """What a server of messages lets us in by (`--nats-creds`)."""
    indexer: Indexer | None = field(default=None, repr=False)
    """The process that writes a ring's indexes (`--write-ring`)."""

    def begin_reading(self, name: str) -> None:
        """Have other processes begin with a large capture file, while this one gets ready for it.

        What is wrong with the file is said when it is taken. To be called while there is one thread only.
        """
        from sipstream.parallel import begin

        opened = self.files.get(name) or _open(name)
        self.files[name] = opened
        reading = None if isinstance(opened, SourceError) else begin(opened)
        if reading is not None:
            self.readings[name] = reading

    def take(self, path: Path) -> FileStore | None:
        """Return a file, for whom it is from now on; None where it wasn't opened.

        Raises:
            SourceError: it couldn't be opened.
        """
        opened = self.files.pop(str(path), None)
        if isinstance(opened, SourceError):
            raise opened
        return opened


def open_and_drop(files: Sequence[str], captures: int, may_start: bool, user: str | None) -> Opened:
    """Open files and sockets for captures, then give up root's rights for good.

    Does neither where there are none to give up, or the user wants to stay root: all is opened when
    it is needed then. To be called while there is one thread only.

    Raises:
        SipstreamError: there is no such user, or the system refuses.
    """
    account = privileges.to_become(user, os.environ)
    stays_root = account is None and os.geteuid() == 0
    opened = Opened()
    if stays_root or not privileges.are_there():
        return opened
    if may_start or captures:
        from sipstream.sources.live import BUFFER
        from sipstream.sources.packet_socket import Sockets

        opened.sockets = Sockets()
        opened.sockets.reserve(captures + _SPARE_SOCKETS * may_start, BUFFER)
    if account is not None:
        opened.files = {name: _open(name) for name in files}
        if not privileges.can_read(account, *_code()):
            _import_all(in_shell=may_start, captures=opened.sockets is not None)
    privileges.give_up(account, os.environ)
    return opened


def _open(name: str) -> FileStore | SourceError:
    from sipstream.sources.file import open_file

    try:
        return open_file(Path(name))
    except SourceError as error:
        return error


def _code() -> list[Path]:
    """Return where modules lie that aren't imported yet: ours, Python's, those of libraries."""
    library = find_spec("prompt_toolkit")
    origins = [__file__, os.__file__, library.origin if library else None]
    return [Path(one) for one in origins if one]


def _import_all(*, in_shell: bool, captures: bool) -> None:
    """Import what may be needed: later it can't be read (a venv below /root, as one may be)."""
    for whole in ("sipstream", "prompt_toolkit") if in_shell else ("sipstream",):
        paths = importlib.import_module(whole).__path__
        for module in pkgutil.walk_packages(paths, f"{whole}."):
            if in_shell or module.name not in _FOR_SHELL:
                _import(module.name)
    for name in (*_IMPORTED_LATER, *(_FOR_CAPTURES if captures else ())):
        _import(name)


def _import(name: str) -> None:
    """Import a module; one that can't be here (for Windows, or without libpcap) isn't needed."""
    with suppress(ImportError, OSError, AssertionError):
        importlib.import_module(name)
