"""Packets of which nothing is joined: whole UDP over IPv4, outside of all tunnels. Sans-IO."""

from __future__ import annotations

from sipstream.decode import link, tunnels
from sipstream.packets import Batch, Record

_UDP = 17


def is_plain_udp(batch: Batch, record: Record) -> bool:
    """Tell whether a packet is whole UDP over IPv4 outside of tunnels: nothing is joined of it."""
    offsets = link.FAST_OFFSETS.get(batch.linktype)
    if offsets is None:
        return False
    data, place = batch.data, record[1] + offsets[0]
    return (
        place + 28 <= record[2]
        and data[place] == 0x45
        and data[place + 9] == _UDP
        and not (data[place + 6] & 0x3F or data[place + 7])
        and (
            offsets[1] < 0 or data[record[1] + offsets[1] : record[1] + offsets[1] + 2] == b"\x08\0"
        )
        and not tunnels.may_be(data, place + 20, record[2])
    )
