"""The torture messages of RFC 4475 and RFC 5118 are grouped as their list says."""

import csv
from pathlib import Path

import pytest
from support import SHARED, Chain, batch, ethernet, ipv4, needs, tcp, udp

TORTURE = SHARED / "torture"
pytestmark = needs(shared=True)


def rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = rows(TORTURE / "MANIFEST.tsv")


def load(*packets: bytes) -> Chain:
    chain = Chain()
    for n, packet in enumerate(packets):
        chain.feed(batch([packet], times=[n]))
    chain.finish()
    assert chain.adds_up()
    return chain


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['suite']}-{row['name']}")
def test_grouped_over_udp(row: dict[str, str]) -> None:
    data = (TORTURE / row["file"]).read_bytes()
    chain = load(ethernet(ipv4(udp(data))))
    wanted = row["group_under"]
    assert list(chain.counts()) == ([] if wanted == "(none)" else [wanted])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['suite']}-{row['name']}")
def test_nothing_is_lost_over_tcp(row: dict[str, str]) -> None:
    data = (TORTURE / row["file"]).read_bytes()
    half = len(data) // 2
    pieces = [(0, data[:half]), (half, data[half:])]
    load(*(ethernet(ipv4(tcp(piece, 1 + place), 6)) for place, piece in pieces))
