"""Packets out: what was looked for, as files that other programs read.

`pcap` writes the packets of messages, with `search` finding those that a message was joined of, `made`
making one where there is none any more, and `chosen` keeping which were found; all of these are plain
functions on bytes. `target` is where the bytes go.
"""
