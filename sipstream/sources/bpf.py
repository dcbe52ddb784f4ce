"""Kernel filters: what decides, before a packet costs us anything, whether it may hold SIP.

Knows classic BPF, libpcap's compiler and how a socket takes a program; nothing of capture. The
default filter is the table below, assembled at import, so that it needs no libpcap. It looks from
the network header on, which the kernel finds: one program serves every link type, and `any`.
"""

from __future__ import annotations

import ctypes
import shlex
import socket
import struct
from typing import TypeAlias

from sipstream import limits
from sipstream.errors import SourceError

Instruction: TypeAlias = tuple[int, int, int, int]
"""Code, jump when true, jump when false, constant: `struct sock_filter` of linux/filter.h."""

Program: TypeAlias = tuple[Instruction, ...]

MAX_TEXT = 1024
"""Characters of an own expression. libpcap's optimiser takes time with the third power of the
length: 0.1 s for this many, 20 s for 7,000."""

_LOOPBACK_ONCE = """
        ; The loopback interface shows a packet going out and coming in: the second is kept.
        ld packet-type
        jne 4 go-on                     ; PACKET_OUTGOING
        ld hardware-type
        jne 772 go-on                   ; ARPHRD_LOOPBACK
        ret 0
go-on:
"""

_MAY_HOLD_SIP = """
        ; X is the place of the header looked at, counted from the network header.
        ldx 0
        ld protocol
        jeq 0x0800 ipv4
        jeq 0x86dd ipv6
        jeq 0x8100 tag
        jeq 0x88a8 tag
        jeq 0x9100 tag
        ret 0

tag:    ; A VLAN tag that the kernel left in the frame: two bytes, then the next ethertype.
        ldh x+2
        ldx 4
        jeq 0x0800 ipv4
        jeq 0x86dd ipv6
        jeq 0x8100 second-tag
        jeq 0x88a8 second-tag
        ; Of a packet going out, the network header may lie behind its tags already.
        ldx 0
        ldb x+0
        rsh 4
        jeq 4 ipv4
        jeq 6 ipv6
        ret 0
second-tag:
        ldh x+2
        ldx 8
        jeq 0x0800 ipv4
        jeq 0x86dd ipv6
        ret 0

ipv4:   ; RFC 791: protocol; flags and fragment offset; header length in words of four bytes.
        ldb x+9
        st M0
        jeq 17 ipv4-carries
        jeq 6 ipv4-carries
        jeq 132 ipv4-carries
        ret 0
ipv4-carries:
        ldh x+6
        jset 0x3fff accept              ; a fragment: ports and start line may be in another
        ldb x+0
        and 15
        lsh 2
        add x
        tax
        jmp transport

ipv6:   ; RFC 8200: one extension header is stepped over, a packet with more passes.
        ldb x+6
        st M0
        txa
        add 40
        tax
        ld M0
        jeq 0 extension                 ; hop-by-hop options
        jeq 43 extension                ; routing
        jeq 60 extension                ; destination options
        jmp ipv6-carries
extension:
        ldb x+0
        st M0
        ldb x+1
        add 1
        lsh 3
        add x
        tax
        ld M0
        jeq 43 accept
        jeq 60 accept
ipv6-carries:
        jeq 44 accept                   ; fragment
        jeq 17 transport
        jeq 6 transport
        jeq 132 transport
        ret 0

transport: ; UDP, TCP and SCTP alike begin with source and destination port.
        ldh x+0
        jeq 5060 accept
        jeq 5061 accept
        ldh x+2
        jeq 5060 accept
        jeq 5061 accept
        ld M0
        jeq 17 udp
        jeq 6 tcp
        ret 0
udp:    txa
        add 8
        tax
        {media}
        jmp payload
tcp:    ; RFC 9293: data offset in words of four bytes.
        ldb x+12
        and 0xf0
        rsh 2
        add x
        tax

payload: ; The kernel itself refuses a packet that is too short for what is loaded.
        ld x+0
        jset 0x80808080 reject          ; RTP, and most of what isn't text
        jeq "SIP/" accept
        jeq "INVI" accept
        jeq "ACK " accept
        jeq "BYE " accept
        jeq "CANC" accept
        jeq "OPTI" accept
        jeq "REGI" accept
        jeq "PRAC" accept               ; RFC 3262
        jeq "SUBS" accept               ; RFC 6665
        jeq "NOTI" accept
        jeq "PUBL" accept               ; RFC 3903
        jeq "INFO" accept               ; RFC 6086
        jeq "REFE" accept               ; RFC 3515
        jeq "MESS" accept               ; RFC 3428
        jeq "UPDA" accept               ; RFC 3311
reject: ret 0
accept: ret {longest}
"""
_MEDIA = """
        ldb x+0
        and 0xc0
        jeq 0x80 accept                 ; RTP and RTCP: version 2 (RFC 3550, RFC 7983)
"""

_FROM_NETWORK_HEADER = -0x100000
"""SKF_NET_OFF of linux/filter.h; the words below that begin at -0x1000 are its ancillary data."""

_WHOLE = {
    "ld protocol": (0x20, -0x1000),
    "ld packet-type": (0x20, -0x1000 + 4),
    "ld hardware-type": (0x20, -0x1000 + 28),
    "ld M0": (0x60, 0),
    "st M0": (0x02, 0),
    "add x": (0x0C, 0),
    "tax": (0x07, 0),
    "txa": (0x87, 0),
}
"""Statements that are one instruction as they stand: code and constant."""

_RETURN, _JUMP = 0x06, 0x05
_LOADS = {"ld": 0x40, "ldh": 0x48, "ldb": 0x50}
_WITH_NUMBER = {"ldx": 0x01, "add": 0x04, "and": 0x54, "lsh": 0x64, "rsh": 0x74, "ret": _RETURN}
_JUMPS = {"jeq": 0x15, "jne": 0x15, "jset": 0x45}


def assemble(text: str) -> Program:
    """Turn a table of statements into instructions; `jeq 17 udp` goes on at `udp:`, or falls through."""
    statements: list[str] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        label, colon, statement = line.partition(";")[0].rpartition(":")
        if colon:
            labels[label.strip()] = len(statements)
        if statement.strip():
            statements.append(statement.strip())
    return tuple(_encode(one, place, labels) for place, one in enumerate(statements))


def _encode(statement: str, place: int, labels: dict[str, int]) -> Instruction:
    if statement in _WHOLE:
        code, constant = _WHOLE[statement]
        return code, 0, 0, constant & 0xFFFFFFFF
    verb, *operands = shlex.split(statement)
    if verb == "jmp":
        return _JUMP, 0, 0, labels[operands[0]] - place - 1
    if verb in _LOADS:
        offset = int(operands[0].removeprefix("x+"))
        return _LOADS[verb], 0, 0, (_FROM_NETWORK_HEADER + offset) & 0xFFFFFFFF
    word = operands[0]
    number = int(word, 0) if word[0].isdigit() else int.from_bytes(word.encode(), "big")
    if verb in _WITH_NUMBER:
        return _WITH_NUMBER[verb], 0, 0, number
    distance = labels[operands[1]] - place - 1
    return (_JUMPS[verb], *((0, distance) if verb == "jne" else (distance, 0)), number)


NOTHING: Program = ((_RETURN, 0, 0, 0),)
"""Refuses every packet: attached while a socket is emptied."""

_ONCE = assemble(_LOOPBACK_ONCE)


def _made(media: str) -> Program:
    return _ONCE + assemble(_MAY_HOLD_SIP.format(media=media, longest=limits.MAX_PACKET))


DEFAULT = _made("")
"""SIP ports, fragments, and what begins like a SIP message on any port; RTP stays out."""

WITH_MEDIA = _made(_MEDIA)
"""The same, and what begins like RTP or RTCP on any port of UDP."""

_SO_ATTACH_FILTER = 26


def attach(sock: socket.socket, program: Program) -> None:
    """Have the kernel judge what arrives at a socket from now on.

    Raises:
        OSError: the kernel refuses the program; EINVAL when it is too long (over 4096).
    """
    instructions = b"".join(struct.pack("=HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    # struct sock_fprog: the kernel copies the instructions before the call returns.
    sock.setsockopt(
        socket.SOL_SOCKET,
        _SO_ATTACH_FILTER,
        struct.pack("@HP", len(program), ctypes.addressof(buffer)),
    )


def compile_expression(text: str, linktype: int) -> Program:
    """Have libpcap compile an expression (pcap-filter(7)) for frames of a link type.

    A host's name in it is looked up, which may take seconds.

    Raises:
        SourceError: the expression is wrong, in libpcap's words, or there is no libpcap.
    """
    if len(text) > MAX_TEXT:
        raise SourceError(f"the capture filter is longer than {MAX_TEXT} characters")
    if "\0" in text:
        raise SourceError("the capture filter holds a NUL character")
    from scapy.arch.common import compile_filter
    from scapy.error import Scapy_Exception

    try:
        compiled = compile_filter(text, linktype=linktype)
    except (ImportError, OSError) as error:
        raise SourceError(
            "own capture filters and --narrow need libpcap, which isn't on this machine"
            " (Debian, Ubuntu: apt install libpcap0.8); the default filter does without"
        ) from error
    except Scapy_Exception as error:
        raise SourceError(f"capture filter {text!r}: {_reason(text, str(error))}") from error
    found = compiled.bf_insns[: compiled.bf_len]
    return _ONCE + tuple(_whole_packet(one.code, one.jt, one.jf, one.k) for one in found)


_TUNNELS = (
    "proto 4 or proto 41 or proto 47 or proto 137"
    " or udp port 2152 or udp port 4789 or udp port 6081 or udp port 8472"
    " or udp[8:4] = 0x48455033 or ip6[48:4] = 0x48455033"
)
"""Packets whose own addresses aren't those of the messages in them; the last two begin as HEP does."""
_FRAGMENTS = "ip[6:2] & 0x1fff != 0 or (ip6 and ip6[6] != 17 and ip6[6] != 6 and ip6[6] != 132)"
"""Packets whose ports stand elsewhere: in another fragment, or behind an extension header."""


def narrowed(text: str, program: Program, linktype: int) -> Program:
    """Return a program that keeps what another does, where an expression on hosts and ports holds too.

    What can't be told by these (fragments where ports count, tunnels, HEP, tags that are left in the
    frame) is for the other one alone to judge.

    Raises:
        SourceError: the expression is too long, or there is no libpcap.
    """
    passing = ["not ip and not ip6", _TUNNELS, *([_FRAGMENTS] if "port" in text else [])]
    first = compile_expression(" or ".join(f"({one})" for one in (text, *passing)), linktype)
    end = len(first)
    # Where it would accept a packet, the other program goes on.
    chained = tuple(
        (_JUMP, 0, 0, end - place - 1) if one[0] == _RETURN and one[3] else one
        for place, one in enumerate(first)
    )
    return chained + program


def _whole_packet(code: int, when_true: int, when_false: int, constant: int) -> Instruction:
    """Have a packet that matches kept whole, not cut at scapy's own limit of 65,535 bytes."""
    if code == _RETURN and constant:
        constant = limits.MAX_PACKET
    return code, when_true, when_false, constant & 0xFFFFFFFF


def _reason(text: str, words: str) -> str:
    """Return libpcap's words out of scapy's, which has them last, in parentheses."""
    head, tail = f"Failed to compile filter expression {text!r} (", ")"
    if words.startswith(head) and words.endswith(tail):
        words = words[len(head) : -len(tail)]
    return words.removeprefix("can't parse filter expression: ")
