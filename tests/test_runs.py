"""Bytes of many messages read together, also where some of them are gone."""

from support import Chain, MemoryStore, batch, ethernet, ipv4, sip, udp

from sipstream.runs import runs


class Losing(MemoryStore):
    """A store whose bytes before `begin` are gone."""

    def read(self, offset: int, length: int) -> bytes:
        return b"" if offset < self.begin else super().read(offset, length)


def test_what_lies_behind_lost_bytes_is_read() -> None:
    given = batch([ethernet(ipv4(udp(sip(call_id=f"call-{n}")))) for n in range(20)])
    store = given.store = Losing(given.data)
    chain = Chain()
    messages = chain.feed(given)
    whole = {one: chain.conversations.message(one).raw for one in messages}
    store.begin = given.records[5][1]
    found = {
        one: run.block[index.m_offset[one] - run.begin :][: index.m_length[one]]
        for index in [chain.conversations.index]
        for run in runs(index, messages)
        for one in run.messages
    }
    assert found == {one: whole[one] if one >= messages[5] else b"" for one in messages}
