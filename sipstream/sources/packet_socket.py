"""Packet sockets of Linux (packet(7)): opened, set up, and what they tell beside each frame.

Knows the kernel's structures and who may open such a socket; knows nothing of batches, files and the
event loop. Everything here is one system call or a few, and none of them waits.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shlex
import socket
import struct
import sys
import textwrap
import time
from contextlib import suppress
from pathlib import Path

from sipstream.errors import CaptureDeniedError, SourceError, words
from sipstream.escape import brief, escape
from sipstream.packets import Linktype
from sipstream.sources import bpf

ANY = "any"
"""The name by which all interfaces are captured at once."""

# linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h, linux/sockios.h, linux/if.h
_ETH_P_ALL = 3
_ETH_P_UNUSED = 0x88B5
"""IEEE 802's "local experimental": a socket for it alone gets nothing."""
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_DROP_MEMBERSHIP = 1, 2
_PACKET_STATISTICS, _PACKET_AUXDATA = 6, 8
_PACKET_MR_PROMISC = 1
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_TAG_VALID, _TAG_TYPE_VALID = 1 << 4, 1 << 6
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 1

_TIMESPEC = struct.Struct("@ll")
_AUXDATA = struct.Struct("=IIIHHHH")
_STATISTICS = struct.Struct("=II")
_MEMBERSHIP = struct.Struct("=iHH8x")
_INTERFACE_FLAGS = struct.Struct("=16sh22x")
_ADDRESS = struct.Struct("=HHi12x")
_TAG = struct.Struct("!HH")

ANCILLARY_SIZE = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(_AUXDATA.size)
"""Room in bytes for what `unpack` takes."""

_ETHERNETS = (1, 772)
"""Hardware types (linux/if_arp.h) whose frames have an Ethernet header: loopback's is all zero."""

_RAW_IP = (519, 768, 769, 776, 65534)
"""Hardware types whose frames begin with IP: tunnels, and what has no type (tun, WireGuard)."""


class Sockets:
    """Opens packet sockets; those that are reserved outlast the loss of the right to open any."""

    def __init__(self) -> None:
        self._spare: list[socket.socket] = []
        self._reserved = 0

    def reserve(self, count: int, buffer: int) -> None:
        """Open sockets for `count` captures, with receive buffers of `buffer` bytes.

        None of them gets a packet before it is bound. Without the permission nothing is reserved.
        """
        with suppress(PermissionError):
            for kind in (socket.SOCK_RAW, socket.SOCK_DGRAM) * count:
                sock = socket.socket(socket.AF_PACKET, kind, 0)
                grow(sock, buffer)
                self._spare.append(sock)
            self._reserved = count

    def open(self, interface: str) -> tuple[socket.socket, int]:
        """Return a packet socket on an interface and the link type of what it gives.

        LINUX_SLL2 stands for packets from their network header on; the rest comes as their address.

        Raises:
            CaptureDeniedError: this process may not capture; the text tells how it may.
            SourceError: no such interface, or it is down.
        """
        if sys.platform != "linux":
            raise SourceError("live capture needs Linux; `tcpdump -U -w - | sipstream -` does not")
        names = [name for _, name in socket.if_nameindex()]
        if interface not in (*names, ANY):
            listed = textwrap.shorten(", ".join([*names, ANY]), 400, placeholder=" ...")
            raise SourceError(f"no interface '{brief(interface)}'; there are {listed}")
        try:
            if interface == ANY:
                return self._bound(socket.SOCK_DGRAM, ANY), Linktype.LINUX_SLL2
            sock = self._bound(socket.SOCK_RAW, interface)
            hardware_type = sock.getsockname()[3]
            if hardware_type in _ETHERNETS:
                return sock, Linktype.ETHERNET
            if hardware_type in _RAW_IP:
                return sock, Linktype.RAW
            self.give_back(sock)
            return self._bound(socket.SOCK_DGRAM, interface), Linktype.LINUX_SLL2
        except PermissionError as error:
            if self._reserved:
                raise SourceError(
                    f"{self._reserved} captures run, more need root's rights, which were given up:"
                    " name the interfaces with --live, or capture on any"
                ) from error
            raise CaptureDeniedError(_ways_to_capture(interface)) from error
        except OSError as error:
            raise SourceError(f"{escape(interface)}: {words(error)}") from error

    def give_back(self, sock: socket.socket, promiscuous: int = 0) -> None:
        """Close a socket, or keep a reserved one for the next capture, without any packet.

        `promiscuous` is the index of the interface that it made so.
        """
        if not self._reserved:
            sock.close()
            return
        with suppress(OSError):
            bpf.attach(sock, bpf.NOTHING)
            _bind(sock, 0, _ETH_P_UNUSED)
            _membership(sock, _PACKET_DROP_MEMBERSHIP, promiscuous)
        self._spare.append(sock)

    def _bound(self, kind: int, interface: str) -> socket.socket:
        """Return a socket that gets an interface's packets from now on.

        Raises:
            PermissionError: none is reserved and none may be opened.
            SourceError: the interface is down.
            OSError: it is gone.
        """
        sock = self._taken(kind)
        try:
            if interface == ANY:
                _bind(sock, 0, _ETH_P_ALL)
                return sock
            index = socket.if_nametoindex(interface)
            if not is_up(sock, interface):
                raise SourceError(
                    f"{escape(interface)} is down; bring it up first: "
                    f"ip link set {escape(shlex.quote(interface))} up"
                )
            _bind(sock, index, _ETH_P_ALL)
        except (OSError, SourceError):
            self.give_back(sock)
            raise
        return sock

    def _taken(self, kind: int) -> socket.socket:
        for sock in self._spare:
            if sock.type == kind:
                self._spare.remove(sock)
                return sock
        return socket.socket(socket.AF_PACKET, kind, 0)


def _bind(sock: socket.socket, index: int, protocol: int) -> None:
    """Bind to an interface by its index, 0 for all: `socket.bind` knows names only (packet(7)).

    Raises:
        OSError: there is none.
    """
    address = _ADDRESS.pack(socket.AF_PACKET, socket.htons(protocol), index)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.bind(sock.fileno(), address, len(address)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def grow(sock: socket.socket, buffer: int) -> int:
    """Make the receive buffer as large as may be, return its size in bytes."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
    except PermissionError:
        # It needs CAP_NET_ADMIN; without, net.core.rmem_max is the most.
        if _buffer(sock) < buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    return _buffer(sock)


def _buffer(sock: socket.socket) -> int:
    # The kernel tells the double, for its own bookkeeping (socket(7)).
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def make_ready(sock: socket.socket, program: bpf.Program, buffer: int) -> int:
    """Set filter, times, tags and receive buffer; throw away what came before the filter.

    Returns the size in bytes of the receive buffer, which may be less than `buffer`.

    Raises:
        OSError: the kernel refuses one of them.
    """
    sock.setblocking(False)
    bpf.attach(sock, bpf.NOTHING)
    with suppress(BlockingIOError):
        while True:
            sock.recv(1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    size = grow(sock, buffer)
    # What was dropped until now was not for this capture.
    take_drops(sock)
    bpf.attach(sock, program)
    return size


def bind(sock: socket.socket, interface: str) -> None:
    """Bind a socket to the interface that has this name now.

    Raises:
        OSError: there is none.
    """
    _bind(sock, socket.if_nametoindex(interface), _ETH_P_ALL)


def be_promiscuous(sock: socket.socket, index: int) -> None:
    """Have an interface show frames meant for others, as a mirror port needs; ends with the socket.

    Raises:
        OSError: the interface is gone.
    """
    _membership(sock, _PACKET_ADD_MEMBERSHIP, index)


def _membership(sock: socket.socket, change: int, index: int) -> None:
    sock.setsockopt(_SOL_PACKET, change, _MEMBERSHIP.pack(index, _PACKET_MR_PROMISC, 0))


def name_of(index: int) -> str | None:
    """Return what the interface of this number is called now, None where there is none."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return None


def is_up(sock: socket.socket, interface: str) -> bool:
    """Tell whether an interface is up.

    Raises:
        OSError: there is none.
    """
    request = _INTERFACE_FLAGS.pack(os.fsencode(interface), 0)
    _, flags = _INTERFACE_FLAGS.unpack(fcntl.ioctl(sock, _SIOCGIFFLAGS, request))
    return bool(flags & _IFF_UP)


def take_drops(sock: socket.socket) -> int:
    """Return how many packets the kernel dropped since the last call: reading clears its count."""
    counts = sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
    _, drops = _STATISTICS.unpack(counts)
    return int(drops)


def unpack(ancillary: list[tuple[int, int, bytes]], length: int) -> tuple[int, bytes, int]:
    """Return a frame's time (ns since the epoch), the VLAN tag taken off it, its size on the wire.

    The tag is type and control information as in IEEE 802.1Q, or b"". `length` is what was received.
    """
    time_ns = 0
    tag = b""
    for _, kind, value in ancillary:
        if kind == _SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack(value)
            time_ns = seconds * 1_000_000_000 + nanoseconds
        elif kind == _PACKET_AUXDATA:
            status, length, _, _, _, control, ethertype = _AUXDATA.unpack(value)
            if status & _TAG_VALID:
                tag = _TAG.pack(ethertype if status & _TAG_TYPE_VALID else 0x8100, control)
    return time_ns or time.time_ns(), tag, length


def _ways_to_capture(interface: str) -> str:
    """Return what to tell who lacks the permission."""
    name = shlex.quote(interface)
    shared = str(Path("/proc/self/exe").resolve())
    private = str(Path(sys.prefix) / "bin" / "python-sipstream")
    return f"""\
capturing on {interface} needs CAP_NET_RAW, which this process lacks. Three ways to go on:
(1) Best: let tcpdump capture; sipstream then needs no permission.
      sudo tcpdump -U -w - -i {name} port 5060 | sipstream -
(2) Give it to this one run (in a systemd unit: AmbientCapabilities=CAP_NET_RAW):
      sudo setpriv --reuid={os.getuid()} --regid={os.getgid()} --init-groups \\
        --inh-caps=+net_raw --ambient-caps=+net_raw {sys.executable} -m sipstream --live {name}
(3) Give it to a private copy of the interpreter, mode 0750, for a group of its own:
      sudo install -m 0750 -g GROUP {shared} {private}
      sudo setcap cap_net_raw=ep {private}
      {private} -m sipstream --live {name}
    Never to {shared} itself: every script would have it. On a script setcap does
    nothing, and an upgrade of the interpreter needs a new copy."""
