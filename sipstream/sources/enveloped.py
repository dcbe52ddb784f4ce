"""Envelopes that come in, kept in a pcap spool: each as the UDP packet of HEP that brought it.

So they lie as any capture does: what reads captures reads them, and their sender is kept beside what
they claim.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable

from sipstream.decode import hep
from sipstream.decode.endpoints import NOBODY, Key
from sipstream.packets import Batch, Linktype
from sipstream.segments import Room
from sipstream.spool import PcapSpool

_IPV4 = struct.Struct("!BBHHHBBH4s4s2s2sHH")
_IPV6 = struct.Struct("!IHBB16s16s2s2sHH")
_UDP, _HOPS, _UDP_HEADER = 17, 64, 8
_PORT = hep.PORT.to_bytes(2, "big")
LONGEST = 0xFFFF - 28
"""Bytes of an envelope that a UDP packet over IPv4 carries."""


class EnvelopeSpool:
    """Where envelopes lie; `room` is as with `PcapSpool`, `label` names its segments in a folder."""

    def __init__(self, room: Room | None = None, label: str = "") -> None:
        self.too_long = 0
        """Envelopes left out because no packet holds them."""
        self.store = PcapSpool(Linktype.RAW, room=room, label=label, threaded=True)

    def batch(self, envelopes: Iterable[bytes], sender: Key = NOBODY, tap: str = "") -> Batch:
        """Keep envelopes that came from an endpoint just now, return them as a batch.

        `tap` is the capture point of those that name none. NOBODY as `sender`: they came by another
        way than HEP.
        """
        return self.batch_of(((one, sender) for one in envelopes), tap)

    def batch_of(self, sent: Iterable[tuple[bytes, Key]], tap: str = "") -> Batch:
        """Keep envelopes as `batch` does, each with the endpoint that it came from."""
        now = time.time_ns()
        packets = []
        for one, sender in sent:
            if len(one) > LONGEST:
                self.too_long += 1
                continue
            packet = _header(sender, len(one)) + one
            packets.append((now, packet, len(packet)))
        return self.store.append_packets(packets, tap)

    def close(self) -> None:
        """Write the rest and close; later reads give b""."""
        self.store.close()


def _header(sender: Key, size: int) -> bytes:
    """Return the IP and UDP headers of a packet to ourselves; checksums are left out."""
    if isinstance(sender, str):
        sender = NOBODY
    address, port = sender[:-2], sender[-2:]
    length = _UDP_HEADER + size
    if len(address) == 4:
        total = 20 + length
        return _IPV4.pack(
            0x45, 0, total, 0, 0, _HOPS, _UDP, 0, address, bytes(4), port, _PORT, length, 0
        )
    return _IPV6.pack(6 << 28, length, _UDP, _HOPS, address, bytes(16), port, _PORT, length, 0)
