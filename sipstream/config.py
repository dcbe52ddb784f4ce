"""Where state and settings live, and that nobody else can read or change them."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sipstream.errors import SourceError, words
from sipstream.limits import MAX_CONFIG

_NOT_BY_OTHERS = 0o022


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
    return folder if ours and not status.st_mode & _NOT_BY_OTHERS else None


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


def is_first_time() -> bool:
    """Tell whether no command was ever kept: the history is empty, or can't be kept."""
    path = history_file()
    return path is None or not path.stat().st_size


def config_file() -> Path | None:
    """Return where settings are kept, whether there are some or not; None for who has no home."""
    from platformdirs import user_config_path

    try:
        return user_config_path("sipstream", appauthor=False) / "config.toml"
    except RuntimeError:
        return None


def read_config(path: Path) -> bytes:
    """Return what a file of settings holds, b"" where there is none that we may see.

    Raises:
        SourceError: it can't be read, is no file, or is too long.
    """
    try:
        path.stat()
    except (OSError, ValueError):
        return b""
    try:
        return _read(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        raise SourceError(f"can't be read: {words(error)}") from error


def change_config(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace a file of settings by what `change` makes of it, whole or not at all.

    Folders that are missing are made with mode 0700, the file has 0600. Nothing is written through
    a symbolic link, nor where others may write.

    Raises:
        SourceError: that can't be done; so does `change`.
    """
    folder = -1
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        folder = os.open(path.parent, flags)
        status = os.fstat(folder)
        if status.st_uid != os.geteuid() or status.st_mode & _NOT_BY_OTHERS:
            raise SourceError("others than you may change the folder it lies in")
        new = change(_read_own(path.name, folder))
        if len(new) > MAX_CONFIG:
            raise SourceError(f"it would have more than {MAX_CONFIG >> 10} KiB")
        _replace(path.name, folder, new)
    except OSError as error:
        raise SourceError(words(error)) from error
    finally:
        if folder >= 0:
            os.close(folder)


def _read(descriptor: int) -> bytes:
    """Read a plain file of bounded size, and close it."""
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceError("is no file")
        data = file.read(MAX_CONFIG + 1)
    if len(data) > MAX_CONFIG:
        raise SourceError(f"has more than {MAX_CONFIG >> 10} KiB")
    return data


def _read_own(name: str, folder: int) -> bytes:
    """Read the file that is about to be replaced, b"" where there is none.

    Raises:
        SourceError: it is a link, or no file.
    """
    try:
        if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise SourceError("it is a symbolic link, and none is written through")
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        return _read(os.open(name, flags, dir_fd=folder))
    except FileNotFoundError:
        return b""


def _replace(name: str, folder: int, data: bytes) -> None:
    """Write a file beside the old one, then put it in its place."""
    beside = f".{name}.{os.urandom(4).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(beside, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside, dir_fd=folder)
        raise
