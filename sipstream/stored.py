"""What is named by a URL instead of a file: archives and rings of captures, each a remote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sipstream.errors import SourceError
from sipstream.escape import escape

if TYPE_CHECKING:
    from sipstream.remotes import Remote
    from sipstream.session import Session


def _ring(folder: Path, session: Session) -> Remote:
    from sipstream.ring.remote import Ring

    return Ring(folder, session)


def _archive(folder: Path, session: Session) -> Remote:
    from sipstream.archive.remote import Archive

    return Archive(folder, session)


KINDS: dict[str, Callable[[Path, Session], Remote]] = {"archive": _archive, "ring": _ring}
"""What makes the remote of a folder, by the URL's scheme; each imports what it needs when called."""


def is_stored(name: str) -> bool:
    """Tell whether a name is the URL of something stored, such as `archive://DIR`."""
    scheme, there, _ = name.partition("://")
    return bool(there) and scheme in KINDS


def _meant(scheme: str, rest: str) -> str:
    """Return what was meant where a slash is missing, as in `archive://srv/sip`."""
    whole = Path("/") / rest
    return f": did you mean {scheme}://{escape(str(whole))}?" if rest and whole.is_dir() else ""


def open_stored(name: str, session: Session) -> Remote:
    """Return what a URL names; from now on the session asks it too.

    Raises:
        SourceError: there is nothing of the kind, or it can't be read.
    """
    scheme, _, rest = name.partition("://")
    folder = Path(rest)
    if not rest or not folder.is_dir():
        raise SourceError(
            f"{escape(name)}: there is no folder {escape(rest)}{_meant(scheme, rest)}"
        )
    if any(remote.name == name for remote in session.remotes.all):
        raise SourceError(f"{escape(name)} is there already")
    remote = KINDS[scheme](folder, session)
    session.remotes.all.append(remote)
    return remote
