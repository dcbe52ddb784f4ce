"""Calls: conversations joined that are legs of one call, through a B2BUA or by a transfer, with reasons.

`Calls(conversations)` gives the call of a conversation, or all of them. What a message says is facts.py,
what speaks for two conversations of the same numbers alike.py; calls.py joins by keys, and call.py tells
why. Pure: no event loop, no file but the messages' own bytes.
"""

from __future__ import annotations

from sipstream.calls.call import Call, Link
from sipstream.calls.calls import Calls

__all__ = ["Call", "Calls", "Link"]
