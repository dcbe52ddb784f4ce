"""What files of a ring are called, and which of them are to be trusted."""

from __future__ import annotations

import os
import re
import stat

from sipstream.escape import escape

_PCAP, _INDEX, _NEW = ".pcap", ".index", ".index-new"
_NAME = re.compile(r"\d{8,18}-.{1,40}\.pcap", re.DOTALL)
_OF_INDEX = re.compile(r"(\d{8,18}-.{1,40})\.index(?:-new)?", re.DOTALL)


def is_capture(name: str) -> bool:
    """Tell whether a file is one of a ring's captures by its name."""
    return _NAME.fullmatch(name) is not None


def index_of(name: str) -> str:
    """Return the name of a capture's index."""
    return name.removesuffix(_PCAP) + _INDEX


def new_index_of(name: str) -> str:
    """Return the name that a capture's index has until it is whole."""
    return name.removesuffix(_PCAP) + _NEW


def capture_of(name: str) -> str | None:
    """Return the capture that an index is of, None for what isn't called as an index."""
    match = _OF_INDEX.fullmatch(name)
    return match[1] + _PCAP if match else None


def refusal(status: os.stat_result, owner: int) -> str | None:
    """Return why a file of a folder that belongs to `owner` isn't to be trusted, None where it is."""
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    if status.st_uid not in (owner, 0):
        return f"belongs to another user ({status.st_uid}) than its folder"
    if status.st_mode & 0o022:
        return f"may be written by other users (mode {stat.S_IMODE(status.st_mode):o})"
    return None


def shown(name: str) -> str:
    """Return a name for a sentence."""
    return escape(name)
