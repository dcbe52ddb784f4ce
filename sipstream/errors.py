"""Errors meant for the user: each carries one sentence that says what was wrong and what to do."""

from __future__ import annotations

import errno
import os

FAILED, PARTIAL, DENIED = 1, 3, 77
"""Exit statuses (cli.py says what they mean)."""

_rights_of = ""
"""The user whose rights are left, once root's were given up."""


def rights_are_of(user: str) -> None:
    """Take note that files are opened with the rights of this user now, no longer with root's."""
    global _rights_of
    _rights_of = user


def words(error: OSError) -> str:
    """Return the system's words for an error, in lower case as part of a sentence."""
    if error.errno in (errno.EACCES, errno.EPERM) and _rights_of:
        return (
            f"permission denied for the user {_rights_of}, whose rights are left since root's were"
            " given up (`--user root` keeps them)"
        )
    if (error.errno or 0) > 0:
        return os.strerror(error.errno or 0).lower()
    # Looking up a host's name has numbers of its own.
    return error.strerror.lower() if error.errno and error.strerror else str(error)


class SipstreamError(Exception):
    """Base of all errors whose text may be shown as it is."""


class SourceError(SipstreamError):
    """A file, stream or interface can't be read."""


class CaptureDeniedError(SourceError):
    """Opening an interface needs a permission we lack; the text has several lines."""


class FilterError(SipstreamError):
    """A filter's text can't be understood."""


class CommandError(SipstreamError):
    """A command's arguments are wrong, or what it names doesn't exist."""
