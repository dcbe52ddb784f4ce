"""Why a packet gave no message: every reason that `show sources` may name, in one place."""

from __future__ import annotations

FAULT = "fault in sipstream"
"""A stage failed on the packet: it is kept for who mends the fault."""

# Below SIP.
UNKNOWN_LINK = "unknown link type"
NOT_IP = "not IP"
NOT_TRANSPORT = "neither UDP, TCP nor SCTP"
BAD_HEADER = "damaged header"
CUT = "cut by snaplen"
"""The capture keeps less of each packet than it takes to find a message in this one."""
TOO_DEEP = "tunnel too deep"
FRAGMENT = "fragment of a datagram"
INCOMPLETE = "fragment of a datagram that stayed incomplete"
BAD_HEP = "damaged HEP"
PACKED_HEP = "HEP with a compressed payload"
"""One that can't be inflated, or that is longer then than any datagram."""
OTHER_HEP = "HEP without SIP"
"""What it is with stands behind it."""
OWN_HEP = "HEP that sipstream sent itself"
NO_DATA = "TCP without data"
RETRANSMISSION = "TCP retransmission"
SCTP_RETRANSMISSION = "SCTP retransmission"
SCTP_CONTROL = "SCTP without data"
WEBSOCKET = "WebSocket without a message"

BAD_BATCH = "damaged batch of the stream"
"""What is whole of it is taken."""

# Where HEP is listened for.
NOT_HEP = "not HEP"
DENIED = "from a sender that isn't allowed"
WRONG_KEY = "HEP without the right key"
TOO_FAST = "beyond what one sender may send a second"
TOO_LONG_HEP = "HEP longer than a datagram"

# Of text that tcpdump printed.
NO_TEXT = "printed without its text"
IN_PART = "printed without its Call-ID"
"""tcpdump -v prints a message up to the first line that holds anything but ASCII letters."""
NO_PORTS = "printed without ports"
BROKEN = "printed in lines that something broke"
"""A mailer or a terminal broke lines, and what was there can't be told."""

# In what UDP, TCP and SCTP carry.
PART = "part of a message"
NOT_SIP = "not SIP"
KEEP_ALIVE = "keep-alive"
EMPTY = "empty datagram"
NO_CALL_ID = "SIP without Call-ID"

# Beside SIP, with --rtp.
RTP = "RTP"
RTCP = "RTCP"
"""By their headers: they may be of no call that was captured."""

# In TLS.
TLS = "TLS without keys"
TLS_CONTROL = "TLS handshake and control"
TLS_FAILED = "TLS that its key doesn't open"
"""The record was changed, is another connection's, or too many before it are missing."""
TLS_DAMAGED = "damaged TLS"
TLS_CIPHER = "TLS with a cipher that can't be decrypted"
"""Which one stands behind it."""
