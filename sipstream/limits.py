"""Every limit that hostile or endless input runs into, with the reason beside it.

Reaching one is counted by reason or said on screen, never silent. Sizes in bytes, times in ns
unless the name says otherwise.
"""

CHUNK = 1 << 20
"""Bytes read from a file at once: large enough that joining chunks costs nothing, small enough that
one chunk is handled in a few milliseconds."""

TEXT_CHUNK = 1 << 18
"""The same of text: up to four thousand packets of a line each, about 6 ms of work."""

PARALLEL_FROM = 32 << 20
"""Bytes of a pcap file from which on several processes read it: starting them takes some 30 ms."""

PARALLEL_RANGE = 4 << 20
"""Bytes of such a file that one process reads at a time: what comes of them is grouped in a few
milliseconds."""

WORKERS = 4
"""Processes that read a file: grouping what they find keeps no more than these busy."""

BATCH_PACKETS = 1024
"""Packets handled between two looks at the event loop: about 3 ms of work."""

TURN_SECONDS = 0.002
"""How long a longer piece of work holds the event loop: who waits for a moment of it often waits for
two turns, each a little longer than this, and for what came meanwhile; 10 ms in all."""

MAX_PACKET = 262_144
"""Longest packet believed: tcpdump's own largest snapshot length."""

MAX_TEXT_PACKET = 1 << 20
"""Longest text of one printed packet: a 64 KiB packet takes 5 times that in a hex dump."""

MAX_START_LINE = 65_536
"""Longest start line looked for; RFC 3261 names no limit, a UDP datagram has this one."""

MAX_MESSAGE = 1 << 20
"""Longest message framed from a stream: more than any body seen in the field."""

MAX_HEADERS = 262_144
"""Longest header part framed from a stream."""

MAX_CALL_ID = 256
"""Bytes of a Call-ID kept as they are; a longer one is kept as this much and a digest."""

STREAM_PENDING = 1 << 20
"""Bytes held per TCP direction while segments are missing."""

STREAMS_PENDING = 64 << 20
"""Bytes held in all TCP directions together, of segments behind holes and of messages not yet whole
each: beyond, the longest waiting one is taken as it is."""

MAX_STREAMS = 65_536
"""TCP directions remembered; the longest idle one goes first."""

FRAGMENT_TRACKERS = 4096
"""Datagrams of which fragments are waited for."""

FRAGMENT_BYTES = 16 << 20
"""Bytes of fragments held in all."""

FRAGMENT_COST = 120
"""Bytes that holding one piece takes beside its own, measured: tiny ones count for what they cost."""

SCTP_BYTES = 16 << 20
"""Bytes of unfinished SCTP user messages held in all; the longest waiting one goes first."""

SCTP_NUMBERS = 65_536
"""Transmission sequence numbers remembered, by which an SCTP retransmission is known."""

MEMORY = 256 << 20
"""Bytes that conversations of a session take, unless told otherwise: some 300,000 calls of one message,
100,000 of ten. Beyond, what is over and longest idle is given up."""

IN_PROGRESS_STAY = 8
"""Times what `--keep` says that calls in progress stay: one that never ends is no call any more."""

AHEAD = 3600 * 10**9
"""How far ahead of our clock (ns) a message's time may be that counts as the newest: agents that send HEP
say what they like."""

CLOCK_SLACK = 60 * 10**9
"""Packets so much older than the newest one are out of order (ns): their clock wasn't set back."""

SPOOL = 4 << 30
"""Bytes that spools take together, unless told otherwise: what as many messages have as MEMORY has
room for. Beyond, the oldest segment goes."""

SPOOL_OF_FREE = 4
"""They take no more than one in so many bytes that are free there when sipstream starts."""

SPOOL_IN_MEMORY = 512 << 20
"""Nor more than this where the temporary folder lies in memory (tmpfs), which they would fill."""

SPOOL_LEAST = 8 << 20
"""Fewer bytes hold too little to look at."""

SEGMENTS = 16
"""Parts of a spool, each a descriptor: with one of them a sixteenth of what is kept goes."""

MOST_SEGMENTS = 256
"""Segments that all spools have together, however short: each run leaves one in a folder."""

SEGMENT_LEAST = 1 << 18
"""Bytes of a segment at least."""

SPOOL_WAITING = 32 << 20
"""Bytes of a spool that wait to be written: a disk that stands still for a second loses nothing."""

DISK_FULL_SECONDS = 30.0
"""After which a spool tries again to write to a full disk: what comes meanwhile is lost, and each
try costs time that the capture needs."""

MAX_MESSAGES = 10_000
"""Messages kept of one conversation: beyond, some behind the first ones are given up, an eighth at a
time so that the work is spread. Only what never ends has more, as registrations of one Call-ID."""

KEPT_FIRST = 100
"""Messages that a conversation begins with and keeps in any case."""

TLS_RECORD = (1 << 14) + 2048
"""Longest TLS record believed (RFC 5246 section 6.2.3), and longest hello message looked into."""

TLS_WAITING = 1 << 16
"""Bytes held per direction of a TLS connection until its keys are known: programs log them before
they use them, but a log is read a little later than packets come."""

TLS_HELD = 16 << 20
"""Bytes of TLS records held in all, waiting for keys or not yet whole; the longest waiting
connection is given up first."""

TLS_RECORD_COST = 200
"""Bytes that holding one record takes beside its own: tiny ones count for what they cost."""

TLS_SKIPPED = 64
"""Record sequence numbers tried where records are missing: a burst of loss takes so many records of
a message's size, not what a capture goes on losing."""

TLS_TRIES = 1024
"""Such tries a direction has in all; every record that opens gives one back, so that damage costs
no more work than good records do."""

TLS_SECRETS = 1 << 18
"""Secrets of a key log kept, about 60 MiB: four a connection of TLS 1.3; the oldest goes first."""

TLS_LOG_LINE = 4096
"""Longest line of a key log waited for; a secret's has 250 bytes at most."""

MAX_USER = 256
"""Characters of a From or To user part kept for lists and filters."""

MAX_KINDS = 64
"""Distinct methods and status codes of a conversation kept as a set; a call has a dozen."""

MAX_COMMENTS = 10_000
"""Comments on packets kept of one pcapng file: people write a few, a program that writes one for each
packet would cost more memory than the messages."""

MAX_COMMENT = 1000
"""Characters of a comment that are kept: a paragraph."""

MAX_ABOUT = 100
"""Lines kept that a pcapng file says of itself and of its interfaces."""

FURTHEST = 9_000_000_000 * 10**9
"""No time lies further from the epoch (ns, the year 2255): it has to fit into 64 bits."""

EARLIEST_CAPTURE = 920_246_400 * 10**9
"""Times before it are marked as doubtful (ns): SIP came in March 1999 with RFC 2543. A machine without
a clock of its own begins in 1970."""

LATEST_CAPTURE = 2**31 * 10**9
"""Times from it on are marked as doubtful (ns): in January 2038 the seconds that clocks of 32 bits count
turn negative, so what lies behind is a damaged time rather than a capture's."""

TAPS = 65_000
"""Distinct names of capture points; further ones are taken for one and the same."""

FRAGMENT_AGE = 30 * 10**9
"""How long a fragment waits for the others (RFC 791 suggests 15 s, Linux waits 30 s)."""

MAX_LAYERS = 16
"""Headers inside headers followed in one packet."""

FLOWS = 1 << 16
"""Address pairs remembered for the short way through decoding; the table is emptied when full."""

MAX_SUSPECTS = 1000
"""Packets kept that a stage of ours failed on: enough to find the fault, and no flood of them."""

MAX_SUSPECTS_FILE = 4 << 20
"""Bytes of each file that keeps faults."""

RESTARTS = 5
"""Times within RESTART_SECONDS that a stage goes on after a fault of ours: one that fails at each
message would fill the disk with tracebacks."""

RESTART_SECONDS = 60.0
"""Within which RESTARTS counts."""

OUTERS = 65_536
"""Distinct tunnels kept by name; what comes in others is shown as from another tunnel."""

METHODS = 1024
"""Distinct request methods kept by name; later ones are shown from their message."""

KIND_SETS = 65_536
"""Distinct sets of start-line kinds kept; conversations beyond are looked at message by message."""

COPY_WINDOW = 50 * 10**6
"""Same bytes between the same endpoints within this time are one message seen twice: timer T1
makes a retransmission 500 ms later (RFC 3261 17.1.1.2), capture points lie microseconds apart."""

RESENT_WITHIN = 32 * 10**9
"""The same bytes again later than this (ns) aren't a retransmission: transactions are over after 64 times
T1 (RFC 3261 17.1.1.2), and what is sent every minute with the same bytes is a ping."""

DIAGNOSED = 128
"""Messages of a conversation that findings look at, the newest: less than 10 ms. A call has a dozen; what
has more is registered or pinged for days under one Call-ID."""

DIAGNOSED_BYTES = 640 << 10
"""Bytes of these messages together, the same: a message of WebRTC has 5,000, any other a thousand."""

LISTED_FINDINGS = 2_000
"""Conversations up to which a list tells what is found of each unasked: a second's work, no more."""

DESCRIBED = 3_000
"""Words of a conversation's session descriptions that findings look at, those of the newest: some 10 ms.
A description has 50, one of WebRTC 800."""

GZIP_TOTAL = 4 << 30
"""Bytes unpacked from one .gz file."""

GZIP_RATIO = 200
"""Unpacked to packed size beyond which a .gz file is refused, once it gave GZIP_RATIO_FROM bytes."""

GZIP_RATIO_FROM = 64 << 20
"""Unpacked bytes before the ratio is looked at."""

OUTPUT_QUEUE = 4 << 20
"""Bytes waiting for a terminal that doesn't read; further lines of a follow are counted, not kept."""

FOLLOW_BATCH_SECONDS = 0.03
"""How long lines of a follow are gathered before they are printed above the prompt."""

TAIL_INTERVAL_SECONDS = 0.1
"""How often a growing file is looked at."""

FILTER_DEPTH = 64
"""Parentheses inside parentheses in a filter."""

FILTER_TEXT = 16_384
"""Length of a filter's text, in characters."""

FILTER_REGEX = 1000
"""Characters of a regular expression."""

FILTER_SINGLES = 32
"""`?` in one value of a filter: each may have to be tried at each place of a text."""

FILTER_SINGLES_TEXT = 200
"""Characters of a value with `?`: what lies between two `*` is looked for as a regular expression."""

REGEX_SIZE = 1300
"""Instructions of RE2 that a regular expression may come to: a class of all letters has 600. So many
take a quarter of a second for a header of 64 KiB that is made for it, and for any other a millisecond."""

FILTER_REGEXES = 32
"""Regular expressions in one filter: each may take REGEX_MEMORY."""

REGEX_MEMORY = 8 << 20
"""Bytes that RE2 may take for a regular expression of this size: with less it goes another way, ten times
as slow; few ever take a hundredth."""

MAX_CONFIG = 65_536
"""Bytes of the file of settings: hundreds of filters and aliases; it is read before anything else."""

CONFIG_COMPLAINTS = 20
"""Faults of that file that are told: a longer list helps nobody, and finding each takes its time."""

MAX_SCRIPT = 1 << 20
"""Bytes of a script of commands: `source` reads it whole before it begins."""

SCRIPT_DEPTH = 8
"""Scripts that may call one another in a row: one that calls itself ends here."""

WATCH_LINES = 200
"""Lines of an answer kept for `watch`: a third of the tallest terminal shows fewer."""

RTP_STREAMS = 32_768
"""RTP streams whose figures are kept with `--rtp`, some 40 MiB: those of 16,000 calls; the longest idle
one goes first."""

RTP_SINGLES = 4096
"""Streams of which one packet came: most are no RTP (RFC 3550 A.1 wants two packets of a source), so
what only looks like it makes no other stream go."""

RTP_PAYLOAD_TYPES = 8
"""Payload types of a stream counted apart: a call uses three."""

RTP_EVENTS = 500
"""DTMF events of a stream that are kept: nobody presses more keys in a call."""

RTP_ALL_EVENTS = 200_000
"""DTMF events of all streams together, some 30 MiB."""

RTCP_REPORTERS = 16_384
"""Senders of RTCP whose reports are kept: two a call, of half as many calls as there are streams."""

RTCP_BLOCKS = 4
"""Sources that a sender of RTCP tells of: in a call it is one for each stream that it gets."""

RTCP_SENT = 65_536
"""Sender reports remembered for round trips: two of each sender."""

MAX_NODE = 64
"""Bytes of the name that a HEP node gives itself: it is a tap's name in every list."""

HEP_RATE = 30_000
"""HEP packets a second of one sender: half as many again as the busiest server sends; the shell has its
turns beside them. The rest is counted."""

HEP_SENDERS = 4096
"""Addresses of senders that are remembered: whoever forges more has them counted as one."""

HEP_CONNECTIONS = 64
"""Agents that send HEP over TCP, at a time; the longest idle connection goes first."""

HEP_CONNECTION = 1 << 17
"""Bytes of such a connection that wait, two of the longest packets: more isn't read from it."""

HEP_IDLE_SECONDS = 3600.0
"""After which a silent connection is closed: an agent loses a message when that happens."""

HEP_PART_SECONDS = 30.0
"""After which one is closed that left a packet unfinished."""

HEP_KEY = 255
"""Bytes of the key that HEP packets must have."""

HEP_TOLD = 200
"""Senders, by what is wrong with their packets, of which the user is told; others are only counted."""

ENVELOPE_HEADS = 16_384
"""Heads of HEP packets that are remembered, some 10 MiB: packets with one of them are read quickly.
Agents that name the call in each have one a call."""

SEND_RATE = 20_000
"""HEP packets a second that are sent over UDP: as many as the busiest server gives. What is more for a
while waits."""

SEND_FILES_RATE = 5000
"""The same of files, which nobody waits for: a receiver with the usual buffer may be busy for 15 ms."""

SEND_WAITING = 32 << 20
"""Bytes of HEP that wait to be sent, of two seconds of 20,000 messages; beyond, they are counted."""
