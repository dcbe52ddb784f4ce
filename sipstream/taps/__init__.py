"""Taps elsewhere, each with an agent on a NATS bus: found, asked, followed, and what they say taken in.

`chosen`, `known` and `answers` are sans-IO; `exchange` alone knows subjects and messages of the bus;
`remote` is what a session sees. Agents are believed no more than any other source: what they send is
bounded, and shown as theirs whatever it claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipstream.bus.connecting import Server, connect

if TYPE_CHECKING:
    from sipstream.session import Session


async def reach(server: Server, session: Session) -> None:
    """Have the session ask the taps on a server from now on.

    Raises:
        SourceError: it can't be reached, or nats-py is missing.
    """
    client = await connect(server, session.sources.notices.tell)
    from sipstream.taps.remote import AllTaps

    taps = session.remotes.taps = AllTaps(server.name, client, session)
    session.remotes.all.append(taps)
    await taps.open()
