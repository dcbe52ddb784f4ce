"""sipstream: find one customer's SIP messages in the flood.

What a script needs: `load` a capture, `stream` a source's messages, `Filter` to choose among them,
`Conversations`, `Conversation` and `Message` to look at, `diagnose` for what is wrong with one, `Calls`
for those that are legs of one call. The shell uses nothing else.

    import sipstream

    conversations = sipstream.load("captures/timeout.pcap")
    wanted = sipstream.Filter.parse("dstnum 5660066")
    for conversation in conversations:
        if wanted.matches(conversation):
            print(conversation.call_id, conversation.count)
    for call in sipstream.Calls(conversations):
        print([one.call_id for one in call.conversations], call.reasons)

`sipstream.metrics.measure(conversations)` tells how they went: figures of RFC 6076, and what
else is counted.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sipstream.version import __version__

if TYPE_CHECKING:
    from sipstream.api import load, stream
    from sipstream.calls import Call, Calls
    from sipstream.conversations import Conversations
    from sipstream.errors import FilterError, SipstreamError, SourceError
    from sipstream.filters import Filter
    from sipstream.findings import Finding, diagnose
    from sipstream.rtp.values import Stream
    from sipstream.views import Conversation, Message

__all__ = [
    "Call",
    "Calls",
    "Conversation",
    "Conversations",
    "Filter",
    "FilterError",
    "Finding",
    "Message",
    "SipstreamError",
    "SourceError",
    "Stream",
    "__version__",
    "diagnose",
    "load",
    "stream",
]

_HOMES = {
    "Call": "sipstream.calls",
    "Calls": "sipstream.calls",
    "Conversation": "sipstream.views",
    "Conversations": "sipstream.conversations",
    "Filter": "sipstream.filters",
    "FilterError": "sipstream.errors",
    "Finding": "sipstream.findings",
    "Message": "sipstream.views",
    "SipstreamError": "sipstream.errors",
    "SourceError": "sipstream.errors",
    "Stream": "sipstream.rtp.values",
    "diagnose": "sipstream.findings",
    "load": "sipstream.api",
    "stream": "sipstream.api",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: `sipstream --version` needs none of it."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'sipstream' has no attribute {name!r}")
