"""Where state lives, and that nobody else can read it."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def state_folder() -> Path | None:
    """Return our folder for state, made with mode 0700; None where it can't be or isn't ours.

    Who has no home, as nobody has none, gets one where temporary files lie.
    """
    from platformdirs import user_state_path

    folder = _own(user_state_path("sipstream", appauthor=False))
    return folder or _own(Path(tempfile.gettempdir()) / f"sipstream-{os.geteuid()}")


def _own(folder: Path) -> Path | None:
    """Make a folder unless it is there; None where it can't be, or others may change it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return folder if ours and not status.st_mode & 0o022 else None


def history_file() -> Path | None:
    """Return the prompt's history file, made with mode 0600; None where it can't be kept safely."""
    folder = state_folder()
    if folder is None:
        return None
    path = folder / "history"
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return None
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return path
