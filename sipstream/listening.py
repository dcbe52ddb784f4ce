"""Sources that listen for what others send, as the command line asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipstream.options.groups import Sourced
    from sipstream.session import Session


def start_hep(options: Sourced, session: Session) -> Iterator[str]:
    """Take HEP where it is asked for, yield the line to say of each address."""
    sources = session.sources
    for bound in sources.opened.hep:
        from sipstream.sources.hep import HepSource

        agents = HepSource(bound, options.hep_allow, sources.opened.hep_key, sources.room)
        sources.start(agents)
        yield agents.listens
