"""The formats pcap and pcapng: the packets of conversations as they were captured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sipstream.export.media import Media
from sipstream.export.pcap import Export
from sipstream.limits import MAX_MESSAGES

if TYPE_CHECKING:
    from sipstream.export.selected import Selected


def pieces(selected: Selected, due: Callable[[], bool], *, pcapng: bool | None) -> Iterator[bytes]:
    """Yield the file; `pcapng` None takes that format where a pcap can't hold the packets.

    Raises:
        CommandError: packets of several link types don't fit a pcap; before the first byte.
    """
    media = Media() if selected.rtp else None
    if media is not None:
        for one in selected.views():
            media.add(one)
            if due():
                yield b""
    export = Export(selected.conversations, selected.captures, selected.redactor, media)
    yield from export.pieces(selected.numbers, due, pcapng=pcapng)
    selected.packets, selected.messages = export.packets, export.messages
    selected.written = export.conversations
    if media is not None:
        selected.remarks.append(
            f"{media.packets} packets are media"
            + (
                ""
                if media.packets
                else ": none is in the captures (--live keeps media with --rtp only)"
            )
        )
    if selected.redactor is not None:
        selected.remarks.append("masked messages stand in packets of their own, each made anew")
    if export.enveloped and selected.redactor is None:
        selected.remarks.append(
            f"{export.enveloped} messages came in HEP: each stands in a packet of its own, made anew"
        )
    if export.made:
        selected.remarks.append(
            f"{export.made} messages had no packet to be found: one was made for each"
        )
    if export.names:
        selected.remarks.append(
            f"{export.names} hosts are known by name only: addresses of 198.18.0.0/15 stand for them"
        )
    for count, why in (
        (export.lost, "couldn't be read again"),
        (export.left_out, f"of conversations with over {MAX_MESSAGES} had been given up"),
    ):
        if count:
            selected.missing.append(f"{count} messages {why}")
