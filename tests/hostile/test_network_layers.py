"""Fragments, extension headers and tunnels made to confuse who follows them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from hostile_costs import LINEAR, allocating_at_most, growth, passing
from hostile_inputs import fragments, geneve, gre, ipv6_fragment, vxlan
from hostile_targets import Outcome, outcome_of
from support import A, B, Chain, batch, ethernet, ipv4, ipv6, sip, udp

from sipstream import reasons
from sipstream.limits import FRAGMENT_BYTES, MAX_LAYERS
from sipstream.packets import Linktype

MIB = 1 << 20
MESSAGE = sip(body="v=0\r\n" * 40)
DATAGRAM = udp(MESSAGE)
CLEAN = ipv4(udp(sip(call_id="clean")))


def messages(outcome: Outcome) -> list[bytes]:
    return [raw for *_, raw in outcome.messages]


def piece(data: bytes, offset: int, more: bool, identification: int = 9) -> bytes:
    """A fragment of IPv4: what it holds need not be what belongs there."""
    return ipv4(data, identification=identification, fragment=offset // 8 | more << 13)


# Fragments


@pytest.mark.parametrize("more", [False, True])
def test_teardrop(more: bool) -> None:
    """Row N1: a second fragment that lies within the first one."""
    attack = [piece(DATAGRAM[:80], 0, True), piece(b"\0" * 8, 24, more)]
    outcome = outcome_of([*attack, CLEAN])
    assert messages(outcome) == [sip(call_id="clean")]
    rest = outcome_of([attack[0], piece(DATAGRAM[80:], 80, False), *attack, CLEAN])
    assert messages(rest) == [MESSAGE, sip(call_id="clean")]


@pytest.mark.parametrize("place", [0, 40, 80, 160])
def test_overlap_with_other_content(place: int) -> None:
    """Row N1: of bytes that come twice the first copy wins, whatever the second says."""
    whole = fragments(DATAGRAM)
    forged = piece(b"X" * 80, place, True)
    assert messages(outcome_of([*whole[:-1], forged, whole[-1]])) == [MESSAGE]


def test_tiny_first_fragment() -> None:
    """Row N1: a first fragment that holds the UDP header alone, and fragments of 8 bytes."""
    assert messages(outcome_of([piece(DATAGRAM[:8], 0, True), piece(DATAGRAM[8:], 8, False)])) == [
        MESSAGE
    ]
    assert messages(outcome_of(fragments(DATAGRAM, 8)[::-1])) == [MESSAGE]


def test_one_identification_in_several_flows() -> None:
    """Row N1: addresses and protocol belong to the key: nothing is joined across them."""
    one, two = (udp(sip(call_id=name, extra="X: " + "x" * 200 + "\r\n")) for name in ("one", "two"))
    begin = [piece(one[:80], 0, True), ipv4(two[:80], 17, B, A, identification=9, fragment=0x2000)]
    end = [ipv4(two[80:], 17, B, A, identification=9, fragment=10), piece(one[80:], 80, False)]
    other_protocol = ipv4(b"Z" * 80, 6, identification=9, fragment=0x2000)
    outcome = outcome_of([other_protocol, *begin, *end])
    assert messages(outcome) == [two[8:], one[8:]]


def test_hole() -> None:
    """Row N1: a fragment that never comes: none of it is shown, all of it is counted."""
    first, second, *rest = fragments(DATAGRAM)
    outcome = outcome_of([first, *rest, CLEAN])
    assert messages(outcome) == [sip(call_id="clean")]
    assert outcome.reasons == {reasons.INCOMPLETE: 1 + len(rest)}


def test_last_fragment_first() -> None:
    """Row N1: backwards, and each one twice."""
    assert messages(outcome_of(fragments(DATAGRAM)[::-1])) == [MESSAGE]
    twice = [one for one in fragments(DATAGRAM)[::-1] for _ in range(2)]
    assert messages(outcome_of(twice[:-1])) == [MESSAGE]


def test_end_passed() -> None:
    """Row N1: fragments that reach behind byte 65,535."""
    attack = [piece(b"x" * 64, 65_528, False), piece(b"x" * 8, 65_528, True)]
    outcome = outcome_of([*attack, *fragments(DATAGRAM), CLEAN])
    assert messages(outcome) == [MESSAGE, sip(call_id="clean")]
    assert outcome.reasons[reasons.INCOMPLETE] == 2


def test_two_ends() -> None:
    """Row N1: two last fragments that disagree on where the datagram ends."""
    forged = piece(b"X" * 8, 800, False)
    for order in ([forged, *fragments(DATAGRAM)], [*fragments(DATAGRAM)[::-1], forged]):
        found = messages(outcome_of([*order, CLEAN]))
        assert found[-1] == sip(call_id="clean")
        assert found[:-1] in ([], [MESSAGE])


def test_random_orders() -> None:
    """Row N1: several datagrams in random pieces and order, with copies: all whole, none mixed."""
    chance = random.Random(1)
    for _ in range(200):
        whole, packets = [], []
        for number in range(chance.randint(1, 4)):
            message = sip(call_id=str(number), body="x" * chance.choice((100, 3000)))
            whole.append(message)
            datagram, place = udp(message), 0
            while place < len(datagram):
                size = chance.choice((8, 80, 800))
                more = place + size < len(datagram)
                packets.append(piece(datagram[place : place + size], place, more, number))
                place += size
        chance.shuffle(packets)
        assert sorted(messages(outcome_of(packets))) == sorted(whole)


def flooded(count: int, size: int) -> Chain:
    """What comes of so many first fragments, with a real datagram's among the last of them."""
    chain = Chain()
    first, *rest = fragments(DATAGRAM, identification=65_535)
    for number in range(0, count, 50):
        flood = [piece(b"f" * size, 0, True, number + n) for n in range(50)]
        if number + 1000 == count:
            flood.append(first)
        chain.feed(passing(flood))
    chain.feed(passing(rest))
    chain.finish()
    assert chain.adds_up()
    assert chain.tally.reasons[reasons.INCOMPLETE] == count
    return chain


def test_very_many_open_datagrams() -> None:
    """Row N1: 65,000 first fragments: counted, and a real datagram still gets through."""
    assert flooded(65_000, 8).counts() == {"call-1": 1}


def test_open_datagrams_are_bounded() -> None:
    """Row N1: 100 MB of first fragments stay within the limit on bytes."""
    with allocating_at_most(FRAGMENT_BYTES + 4 * MIB):
        assert flooded(10_000, 10_000).counts() == {"call-1": 1}


def test_many_tiny_fragments_of_one_datagram() -> None:
    """Row N1: pieces of a byte at every place cost in proportion to their number."""

    def work(count: int) -> Callable[[], object]:
        chance = random.Random(count)
        places = [chance.randrange(1, 8000) * 8 for _ in range(count)]
        packets = [piece(b"x", place, True) for place in places]
        return lambda: outcome_of(packets)

    assert growth(work, 2000) < LINEAR


def test_too_old_fragments_are_not_joined() -> None:
    """Row N1: an identification that comes again after 30 s is another datagram's."""
    first, *rest = fragments(DATAGRAM)
    chain = Chain()
    times = [0, *(31 * 10**9 + n for n in range(len(rest)))]
    chain.feed(batch([first, *rest], Linktype.RAW, times=times))
    chain.finish()
    assert chain.counts() == {}
    assert chain.adds_up()


# IPv6


def v6(payload: bytes, protocol: int, length: int | None = None) -> bytes:
    packet = bytearray(ipv6(payload, protocol))
    if length is not None:
        packet[4:6] = struct.pack("!H", length)
    return bytes(packet)


def extensions(count: int, kind: int = 60) -> bytes:
    """Destination options one behind the other, then UDP."""
    heads = [struct.pack("!BB6x", kind if left else 17, 0) for left in range(count - 1, -1, -1)]
    return b"".join(heads) + udp(MESSAGE)


@pytest.mark.parametrize("count", [1, 5, MAX_LAYERS - 1])
@pytest.mark.parametrize("kind", [0, 43, 60])
def test_extension_headers(count: int, kind: int) -> None:
    """Row N2: as many extension headers as are followed."""
    assert messages(outcome_of([v6(extensions(count, kind), kind)])) == [MESSAGE]


@pytest.mark.parametrize("count", [MAX_LAYERS + 2, 100, 1000])
def test_too_many_extension_headers(count: int) -> None:
    """Row N2: more of them than anybody needs: not followed, and counted as what it is."""
    outcome = outcome_of([v6(extensions(count), 60), CLEAN])
    assert messages(outcome) == [sip(call_id="clean")]
    assert outcome.reasons == {reasons.TOO_DEEP: 1}


@pytest.mark.parametrize("length", [0, 1, 7, 8, 39, 1000, 65_535])
def test_wrong_payload_lengths(length: int) -> None:
    """Row N2: lengths that are wrong or of a jumbogram: the bytes there are count."""
    outcome = outcome_of([v6(udp(MESSAGE), 17, length), v6(extensions(3), 60, length), CLEAN])
    assert messages(outcome)[-1] == sip(call_id="clean")
    assert all(MESSAGE.startswith(raw) for raw in messages(outcome)[:-1])
    if length in (0, 65_535):
        assert len(messages(outcome)) == 3


def test_extension_that_runs_over() -> None:
    """Row N2: an extension header longer than the packet."""
    for kind in (0, 43, 51, 60):
        packet = v6(struct.pack("!BB6x", 17, 255) + udp(MESSAGE), kind)
        outcome = outcome_of([packet])
        assert outcome.reasons == {reasons.BAD_HEADER: 1}


def test_atomic_fragment() -> None:
    """Row N2: a fragment header on a whole datagram (RFC 6946)."""
    assert messages(outcome_of([ipv6_fragment(DATAGRAM, 0, 0)])) == [MESSAGE]


def test_fragment_of_a_bad_length() -> None:
    """Row N2: fragments cut within their header, empty, or no multiple of 8 long."""
    cut = [ipv6_fragment(b"", 0, 1)[: 40 + size] for size in range(8)]
    odd = [ipv6_fragment(b"", 8, 1), ipv6_fragment(DATAGRAM[:81], 0, 1)]
    whole = [ipv6_fragment(DATAGRAM[:96], 0, 1, 5), ipv6_fragment(DATAGRAM[96:], 96, 0, 5)]
    assert messages(outcome_of([*cut, *odd, *whole, CLEAN])) == [MESSAGE, sip(call_id="clean")]


# Layers

INNER = ipv4(udp(MESSAGE))


def tags(count: int) -> bytes:
    return ethernet(INNER, tags=(0x8100,) * count)


def labels(count: int) -> bytes:
    return ethernet(b"\0\1\0\x40" * (count - 1) + b"\0\1\1\x40" + INNER, 0x8847)


def nested(wrap: Callable[[bytes], bytes], inside: bytes) -> Callable[[int], bytes]:
    """The frame with so many tunnels of a kind, one in the other."""

    def build(count: int) -> bytes:
        packet = inside
        for _ in range(count):
            packet = wrap(packet)
        return packet if inside != INNER else ethernet(packet)

    return build


LAYERS: dict[str, Callable[[int], bytes]] = {
    "VLAN": tags,
    "MPLS": labels,
    "GRE": nested(lambda packet: ipv4(gre(packet), 47), INNER),
    "IP in IP": nested(lambda packet: ipv4(packet, 4), INNER),
    "IPv6 in IPv6": nested(lambda packet: ipv6(packet, 41 if packet[0] >> 4 == 6 else 4), INNER),
    "VXLAN": nested(vxlan, ethernet(INNER)),
    "Geneve": nested(geneve, ethernet(INNER)),
}


def frame(kind: str, count: int) -> bytes:
    built = LAYERS[kind](count)
    if kind == "IPv6 in IPv6":
        return built[:12] + b"\x86\xdd" + built[14:]
    return built


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("count", [1, 2, 8])
def test_layers_that_are_followed(kind: str, count: int) -> None:
    """Row N3: 1, 2 and 8 layers."""
    assert messages(outcome_of([frame(kind, count)], Linktype.ETHERNET)) == [MESSAGE]


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("count", [64, 1000])
def test_too_many_layers(kind: str, count: int) -> None:
    """Row N3: 64 and 1,000 layers (of tunnels as many as fit): not followed, counted."""
    attack = frame(kind, count if kind in ("VLAN", "MPLS") else min(count, 600))
    outcome = outcome_of([attack, ethernet(CLEAN)], Linktype.ETHERNET)
    assert messages(outcome) == [sip(call_id="clean")]
    assert outcome.reasons == {reasons.TOO_DEEP: 1}


@pytest.mark.parametrize("kind", LAYERS)
def test_the_work_is_bounded(kind: str) -> None:
    """Row N3: four times the layers take no more than four times the work."""

    def work(count: int) -> Callable[[], object]:
        packets = [frame(kind, count)] * 200
        return lambda: outcome_of(packets, Linktype.ETHERNET)

    assert growth(work, 100) < LINEAR
