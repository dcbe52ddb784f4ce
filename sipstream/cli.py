"""Options and arguments -> a session, and what is done with it: commands, a follow, or the shell.

Exit status: 0, 1 when a command or a source failed, 2 for bad usage, 3 when a source could be read
in part only (it is cut short or damaged), 77 when --live lacks the permission to capture (EX_NOPERM
of sysexits.h), 128 + N when signal N ended it: 130 on Ctrl-C, 129 when the terminal is gone.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sipstream.errors import FAILED, SipstreamError
from sipstream.escape import shield
from sipstream.options import STDIN, Options, parse, parser

if TYPE_CHECKING:
    from sipstream.opening import Opened
    from sipstream.options.groups import Bus, Sourced
    from sipstream.sources.hep_socket import Bound


_GARBAGE = 20_000
"""Objects more than before, at which garbage is looked for."""


def run(arguments: Sequence[str]) -> int:
    """Run the program with its arguments, return its exit status."""
    # Objects stay as long as messages do: a look for garbage each few hundred finds none.
    gc.set_threshold(_GARBAGE)
    if arguments[:1] == ["agent"]:
        return _run_agent(arguments[1:])
    if arguments[:1] == ["archive"]:
        return _archive(arguments[1:])
    options = parse(arguments)
    # Files we make may hold calls: nobody else reads them.
    os.umask(0o077)
    _open_standard_files()
    try:
        opened = _open_and_drop(options)
    except SipstreamError as error:
        parser().exit(FAILED, f"*** Error! {shield(str(error))}\n")
    # Its imports take some time: other processes read a large file by now.
    from sipstream.program import run_with

    return run_with(options, opened)


def _run_agent(arguments: Sequence[str]) -> int:
    """Run `sipstream agent` with its arguments, return the exit status."""
    from sipstream.options import agent

    options = agent.parse(arguments)
    os.umask(0o077)
    _open_standard_files()
    try:
        secret = _secret(options)
        opened = _open_sources(options, len(options.live), may_start=False)
        opened.secret = secret
        from sipstream.agent.program import run as run_agent
    except SipstreamError as error:
        agent.parser().exit(FAILED, f"*** Error! {shield(str(error))}\n")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        from sipstream.extras import how_to_install

        missing = f"nats-py is missing: {how_to_install('nats')}"
        agent.parser().exit(FAILED, f"*** Error! {shield(missing)}\n")
    return run_agent(options, opened)


def _archive(arguments: Sequence[str]) -> int:
    """Run `sipstream archive` with its arguments, return the exit status."""
    from sipstream.archiving import run
    from sipstream.opening import open_and_drop
    from sipstream.options import archive

    options = archive.parse(arguments)
    os.umask(0o077)
    _open_standard_files()
    keylog = [] if options.keylog is None else [str(options.keylog)]
    try:
        secret = _secret(options)
        opened = open_and_drop([*options.files, *keylog], 0, False, options.user)
        opened.secret = secret
    except SipstreamError as error:
        archive.parser().exit(FAILED, f"*** Error! {shield(str(error))}\n")
    if options.files:
        opened.begin_reading(options.files[0])
    return run(options, opened)


def _open_standard_files() -> None:
    """Put the null device where a standard stream is closed: no file of ours must get its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _secret(options: Bus) -> bytes | None:
    """Return what a NATS server lets us in by: who root becomes may not read it."""
    if options.nats_creds is None:
        return None
    from sipstream.bus.connecting import secret_of

    return secret_of(options.nats_creds)


def _open_hep(options: Sourced) -> tuple[list[Bound], bytes]:
    """Open where HEP is listened for, and read its key."""
    key = b""
    if options.hep_key is not None:
        from sipstream.sources.hep_gate import read_key

        key = read_key(options.hep_key)
    if not options.hep:
        return [], key
    from sipstream.sources.hep_socket import bind

    return [bind(*address) for address in options.hep], key


def _open_and_drop(options: Options) -> Opened:
    """Open what root's rights are needed for, give them up, and begin with a large file."""
    may_start = options.follow is None and (
        not options.commands or any(line.lstrip().startswith("ca") for line in options.commands)
    )
    secret = _secret(options)
    opened = _open_sources(options, len(options.live), may_start)
    opened.secret = secret
    if options.write_ring is not None:
        from sipstream.ring import indexer

        opened.indexer = indexer.begin(options.write_ring)
    # Jitter and the order of RTP are those of all packets before: one process reads it then.
    if options.files and options.files[0] != STDIN and not options.rtp:
        opened.begin_reading(options.files[0])
    return opened


def _open_sources(options: Sourced, captures: int, may_start: bool) -> Opened:
    """Open what root's rights are needed for, give them up."""
    from sipstream.opening import open_and_drop

    files = [name for name in options.files if name != STDIN]
    if options.keylog is not None:
        files.append(str(options.keylog))
    bound = None
    if options.prometheus is not None:
        from sipstream.serving import listening

        bound = listening(*options.prometheus)
    hep, key = _open_hep(options)
    opened = open_and_drop(files, captures, may_start, options.user)
    opened.listening, opened.hep, opened.hep_key = bound, hep, key
    return opened
