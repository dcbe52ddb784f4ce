"""What is to be published waits on disk: the same batches under the same ids after any crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipstream.bus.journal import LEAST, Batch, Journal
from sipstream.errors import SourceError
from sipstream.segments import Folder

ALL = 1 << 30
LIMIT = 1 << 30


def batches(count: int, size: int = 100, first: int = 0) -> list[Batch]:
    return [
        Batch(number % 16, 2, b"%08d" % number * (size // 8))
        for number in range(first, first + count)
    ]


def opened(path: Path, token: str = "sbc1", limit: int = LIMIT) -> Journal:
    return Journal(token, limit, Folder(path, "hep"))


def files(path: Path) -> list[Path]:
    return sorted(path.glob("*.hep"))


def test_batches_come_back_in_order_under_their_ids(tmp_path: Path) -> None:
    journal = opened(tmp_path / "spool")
    kept = batches(40)
    assert journal.append(kept) == 40
    loaded = journal.load(ALL)
    assert [one.batch for one in loaded] == kept
    assert len({one.id for one in loaded}) == 40
    assert (journal.next, journal.unread) == (80, 0)
    journal.close()


def test_ids_are_of_tap_partition_and_content_alone() -> None:
    def id_of(token: str, batch: Batch) -> str:
        journal = Journal(token, LIMIT)
        journal.append([Batch(0, 1, b"before"), batch])
        return journal.load(ALL)[1].id

    one = Batch(3, 1, b"content")
    assert id_of("a", one) == id_of("a", one)
    others = [id_of("b", one), id_of("a", Batch(4, 1, b"content")), id_of("a", Batch(3, 1, b"c"))]
    assert len({id_of("a", one), *others}) == 4


def test_the_next_run_goes_on_with_what_is_not_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    journal = opened(path)
    journal.append(batches(10))
    loaded = journal.load(ALL)
    journal.commit(loaded[3].end)
    journal.note()
    # As a kill leaves it: nothing is closed in order.
    journal._folder.close()
    after = opened(path)
    assert after.is_former
    after.append(batches(2, first=10))
    again = after.load(ALL)
    assert [one.batch for one in again] == batches(8, first=4)
    assert [one.id for one in again[:6]] == [one.id for one in loaded[4:]]
    assert after.lost == 0
    after.close()


def test_a_batch_that_a_kill_cut_off_is_none(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    journal = opened(path)
    journal.append(batches(5))
    journal.close()
    (file,) = files(path)
    whole = file.read_bytes()
    for size in range(len(whole) - 300, len(whole), 7):
        file.write_bytes(whole[:size])
        after = opened(path)
        left = [one.batch for one in after.load(ALL)]
        assert left == batches(5)[: len(left)]
        assert 2 <= len(left) < 5
        assert after.next == 2 * len(left)
        after.close()
        for more in files(path)[1:]:
            more.unlink()


def test_a_damaged_batch_is_told_and_no_other_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    journal = opened(path)
    journal.append(batches(10))
    journal._folder.close()
    journal = opened(path)
    journal.append(batches(5, first=10))
    journal._folder.close()
    data = bytearray(files(path)[0].read_bytes())
    data[data.index(b"%08d" % 7)] ^= 1
    files(path)[0].write_bytes(data)
    after = opened(path)
    assert [one.batch for one in after.load(ALL)] == batches(7) + batches(5, first=10)
    assert after.lost == 6
    after.close()


def test_beyond_the_limit_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    journal = opened(path, limit=LEAST)
    journal.append(batches(400, 1 << 16))
    assert sum(file.stat().st_size for file in files(path)) <= LEAST
    left = [one.batch for one in journal.load(ALL)]
    assert left == batches(400, 1 << 16)[-len(left) :]
    assert len(left) > 90
    assert journal.lost == 2 * (400 - len(left))
    journal.close()


def test_what_the_server_has_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    journal = opened(path, limit=LEAST)
    journal.settle()
    for first in range(0, 4000, 40):
        journal.append(batches(40, 1 << 14, first))
        loaded = journal.load(ALL)
        assert [one.batch for one in loaded] == batches(40, 1 << 14, first)
        journal.commit(loaded[-1].end)
    assert journal.lost == 0
    journal.close()


def test_without_room_on_disk_the_rest_is_left_to_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sipstream.segments import Segment

    journal = opened(tmp_path / "spool")
    journal.append(batches(3))
    with monkeypatch.context() as full:
        full.setattr(Segment, "write", lambda self, pieces: 0)
        assert journal.append(batches(3, first=3)) == 0
    assert journal.append(batches(3, first=3)) == 3
    assert [one.batch for one in journal.load(ALL)] == batches(6)
    journal.close()


def test_what_another_version_left_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    opened(path).close()
    (path / "00000007-publish.hep").write_bytes(b"sipbatch" + bytes(200))
    (path / "00000007-publish.hep").chmod(0o600)
    with pytest.raises(SourceError, match="isn't what this version of sipstream keeps"):
        opened(path)
    assert files(path)[0].stat().st_size == 208


def test_batches_of_the_tap_s_former_name_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    journal = opened(path, "old")
    journal.append(batches(1))
    journal.close()
    journal = opened(path, "new")
    journal.append(batches(1, first=1))
    assert [one.token for one in journal.load(ALL)] == ["old", "new"]
    journal.close()


def test_what_is_surely_kept_stays_known_over_runs_that_end_early(tmp_path: Path) -> None:
    """A run that is killed before it went through the capture's spool makes nothing surer."""
    path = tmp_path / "spool"
    for number in range(8):
        journal = opened(path)
        journal.append(batches(1, first=number))
        for one in journal.load(ALL):
            journal.commit(one.end)
        journal._folder.close()
    journal = opened(path)
    assert journal.sure == 0
    assert list(journal.tail()) == [one.data for one in batches(8)]
    journal.settle()
    journal.append(batches(1, first=8))
    journal.close()
    journal = opened(path)
    assert journal.sure > 0
    journal.close()
