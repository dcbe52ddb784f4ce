"""What is known beside a conversation itself: the same for all of them, and set by the session."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sipstream.plan import Plan, plan_in_use

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sipstream.decode.endpoints import Outers
    from sipstream.rtp.streams import Streams
    from sipstream.rtp.values import Stream
    from sipstream.views import Conversation


@dataclass(frozen=True, slots=True)
class Around:
    """What rules may ask for."""

    streams: Callable[[Conversation], Sequence[Stream]] | None = None
    """Gives a conversation's streams of RTP; None where RTP isn't looked at."""
    plan: Plan = field(default_factory=plan_in_use)
    """What numbers are judged by."""


_around = Around()


def use(around: Around) -> None:
    """Let findings be made with this from now on."""
    global _around
    _around = around


def heard(outers: Outers) -> Streams:
    """Return streams that findings look at from now on; `outers` knows the tunnels of packets."""
    from sipstream.rtp.streams import Streams

    streams = Streams(outers)
    use(Around(streams.of))
    return streams


def here() -> Around:
    """Return what is used: the same object until it is another."""
    if _around.plan != plan_in_use():
        use(replace(_around, plan=plan_in_use()))
    return _around
