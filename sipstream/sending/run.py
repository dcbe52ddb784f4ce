"""What `--send-hep` asks for, beside what else a run does."""

from __future__ import annotations

import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from sipstream import limits
from sipstream.errors import FAILED, SipstreamError
from sipstream.sending import Sending
from sipstream.sending.wires import Tcp, Udp

if TYPE_CHECKING:
    from sipstream.options import Options
    from sipstream.shell.console import Console

_PATIENCE = 10.0
"""Seconds without anything sent after which the rest is given up at the end of a run."""
_PATIENCE_OF_SHELL = 1.0
"""The same when somebody left the shell."""


async def beside(
    work: Coroutine[object, object, int], options: Options, console: Console, *, in_shell: bool
) -> int:
    """Do the work, and send on what comes of it meanwhile; return the exit status."""
    session, where = console.session, options.send_hep
    assert where is not None
    notices, opened = session.sources.notices, session.sources.opened
    goes = where.text, where.host, where.port, lambda text: notices.tell(text)
    rate = limits.SEND_FILES_RATE if options.sends_files else limits.SEND_RATE
    wire = Tcp(*goes) if where.tcp else Udp(*goes, rate)
    node = options.tap or socket.gethostname()
    sending = Sending(session, wire, options.filter, node, opened.hep_key)
    status = FAILED
    try:
        async with sending:
            status = await work
            await sending.flush(_PATIENCE_OF_SHELL if in_shell else _PATIENCE)
    except SipstreamError as error:
        console.out.error(str(error))
        return FAILED
    finally:
        # Where it never began.
        work.close()
        if sending.begun and not (options.quiet and sending.all_sent):
            console.note(sending.account)
    return status or (0 if sending.all_sent or not options.sends_files else FAILED)
