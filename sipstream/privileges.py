"""Rights of this process: given up for good before the first byte of traffic is looked at.

What root's rights are needed for is opened before: packet sockets, and the files named on the command
line. The rest is done as another user: the one who called sudo, or nobody. Who has a few of root's
rights only (CAP_NET_RAW, as a service may have) gives these up and stays the same user.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sipstream import errors
from sipstream.errors import SipstreamError

VARIABLE = "SIPSTREAM_USER"
"""In the environment: what `--user` is when it isn't given."""

_ROOT, _NOBODY = "root", "nobody"

# linux/prctl.h, linux/capability.h
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
_CAPABILITY_VERSION_3 = 0x20080522


class Account(NamedTuple):
    """A user of this machine."""

    name: str
    uid: int
    gid: int
    home: str


def to_become(wanted: str | None, environment: MutableMapping[str, str]) -> Account | None:
    """Return the user to become once all is open, None to stay who we are.

    `wanted` is what `--user` says. Root becomes the caller of sudo, or nobody.

    Raises:
        SipstreamError: there is no such user, or we aren't root and can't become another one.
    """
    wanted = wanted or environment.get(VARIABLE) or None
    if os.geteuid() != 0:
        if wanted is not None and _account(wanted).uid != os.geteuid():
            raise SipstreamError(f"only root can become the user {wanted}")
        return None
    account = _account(wanted or _sudo_caller(environment) or _NOBODY)
    return account if account.uid != 0 else None


def are_there() -> bool:
    """Tell whether this process has any of root's rights (capabilities(7))."""
    try:
        status = Path("/proc/self/status").read_bytes()
    except OSError:
        return os.geteuid() == 0
    fields = (line.partition(b":") for line in status.splitlines())
    return any(int(value, 16) for name, _, value in fields if name in (b"CapPrm", b"CapAmb"))


def can_read(account: Account, *paths: Path) -> bool:
    """Tell whether a user, whom we can become, may read all of some folders and files."""
    try:
        _set_groups(account)
        os.setegid(account.gid)
        os.seteuid(account.uid)
        return all(os.access(path, os.R_OK, effective_ids=True) for path in paths)
    except OSError:
        # We can't become that user, which `give_up` tells.
        return True
    finally:
        os.seteuid(0)
        os.setegid(0)


def give_up(account: Account | None, environment: MutableMapping[str, str]) -> None:
    """Become another user (None: stay the same) and give up every right of root, for good.

    To be called while there is one thread only: capabilities are each thread's own.

    Raises:
        SipstreamError: the system refuses; nothing may be parsed then.
    """
    try:
        if account is not None:
            _set_groups(account)
            os.setresgid(account.gid, account.gid, account.gid)
            os.setresuid(account.uid, account.uid, account.uid)
            environment.update(HOME=account.home, USER=account.name, LOGNAME=account.name)
            for name in [name for name in environment if name.startswith("XDG_")]:
                del environment[name]
            errors.rights_are_of(account.name)
        _clear_capabilities()
    except OSError as error:
        whose = f"become the user {account.name}" if account else "give up its rights"
        raise SipstreamError(
            f"sipstream can't {whose} ({errors.words(error)}); `--user root` goes on with all rights"
        ) from error
    if are_there() or (account is not None and _can_return()):
        raise SipstreamError("the system didn't take all of root's rights away")


def _account(name: str) -> Account:
    try:
        entry = pwd.getpwuid(int(name)) if name.isascii() and name.isdigit() else pwd.getpwnam(name)
    except (KeyError, ValueError, OverflowError):
        raise SipstreamError(f"there is no user {name!r} to become (--user NAME)") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def _sudo_caller(environment: MutableMapping[str, str]) -> str | None:
    """Return the user who called sudo (sudo(8), ENVIRONMENT), None when root did or nobody."""
    caller = environment.get("SUDO_USER")
    return None if caller == _ROOT or environment.get("SUDO_UID") == "0" else caller


def _set_groups(account: Account) -> None:
    """Take a user's groups; nobody has none beside its own."""
    groups = [account.gid]
    if account.name != _NOBODY:
        groups = os.getgrouplist(account.name, account.gid)
    os.setgroups(groups)


def _clear_capabilities() -> None:
    """Give up all capabilities, and that a program we start could get any.

    Raises:
        OSError: the kernel refuses.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    # Kernels before 4.3 know no ambient capabilities: there is nothing to clear then.
    libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    for refused in (
        libc.capset(header, nothing),
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    ):
        if refused:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _can_return() -> bool:
    with suppress(OSError):
        os.setresuid(0, 0, 0)
        return True
    return False
