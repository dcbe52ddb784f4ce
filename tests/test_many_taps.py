"""Calls over three hosts with a real agent each: what a shell and an archive elsewhere get of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from followed import NUMBER, Follow, compare, of_number
from namespaces import usable
from nats_servers import needs_nats_server
from site_of_taps import Site
from support import needs
from tapped import ANSWERS, REFUSES, RINGS, Tapped, proxied_sightings, sightings, tapped

pytest.importorskip("nats")
pytestmark = [
    *needs("ip", "sipp", "tcpdump", root=True),
    needs_nats_server,
    pytest.mark.skipif(not usable(), reason="needs network namespaces"),
]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Tapped]:
    with tapped(tmp_path) as made:
        yield made


def _calls(hosts: Tapped) -> None:
    """Make calls of all kinds to the number that is followed, and to another one."""
    calling = [
        hosts.calling(number, kind, calls=3, rate=10)
        for kind in (ANSWERS, REFUSES, RINGS)
        for number in (NUMBER, "5660099")
    ]
    assert [one.wait(60) for one in calling] == [0] * len(calling)


def test_a_follow_shows_each_message_once_with_the_sightings_of_all_taps(hosts: Tapped) -> None:
    hosts.hold(0.003)
    hosts.answer()
    hosts.dump()
    server = hosts.nats()
    site = Site(hosts, [server], publish=False, writers=0)
    try:
        site.begin()
        follow = Follow(hosts, server.url)
        follow.until_begun()
        before = sum(server.traffic())
        _calls(hosts)
        seen = sightings(hosts.folder)
        follow.until_lines(len(of_number(seen, NUMBER)))
        cost = sum(server.traffic()) - before
        result = compare(seen, follow.end())
    finally:
        site.kill()
    assert result.complete, result
    assert max(result.off) < 1, result
    matching = sum(len(packet[4]) * len(at) for packet, at in of_number(seen, NUMBER))
    assert cost < 2 * matching


def test_a_proxy_s_hops_are_messages_of_their_own_with_two_sightings_each(hosts: Tapped) -> None:
    hosts.proxy(0.003)
    hosts.answer()
    hosts.dump()
    server = hosts.nats()
    site = Site(hosts, [server], publish=False, writers=0, proxied=True)
    try:
        site.begin()
        follow = Follow(hosts, server.url)
        follow.until_begun()
        hosts.call(NUMBER, calls=2, rate=10)
        seen = proxied_sightings(hosts.folder)
        follow.until_lines(len(of_number(seen, NUMBER)))
        result = compare(seen, follow.end())
    finally:
        site.kill()
    assert result.complete, result
