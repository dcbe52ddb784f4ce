"""Who holds a key: a table from numbers of 64 bits to the conversations that have what they stand for.

In many small dicts: a large one that grows would hold the event loop for too long.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

_PARTS = 256
_COMMON = -1

NOBODY: Sequence[int] = ()


class Shared:
    """Keys and their holders; `most` is how many keys it takes."""

    def __init__(self, most: int) -> None:
        self.size = 0
        """Keys that are held."""
        self._most = most
        self._parts: list[dict[int, int | array[int]]] = [{} for _ in range(_PARTS)]

    @property
    def is_full(self) -> bool:
        """Whether no new key is taken."""
        return self.size >= self._most

    def holders(self, key: int) -> Sequence[int]:
        """Return who holds a key, nobody where too many do."""
        found = self._parts[_part(key)].get(key)
        if found is None or found == _COMMON:
            return NOBODY
        return (found,) if isinstance(found, int) else found

    def is_common(self, key: int) -> bool:
        """Tell whether more hold a key than may."""
        return self._parts[_part(key)].get(key) == _COMMON

    def add(self, key: int, holder: int, most: int) -> Sequence[int]:
        """Let one more hold a key and return those that did before.

        Where these are as many as `most`, the key is common from then on and held by nobody.
        """
        part = self._parts[_part(key)]
        found = part.get(key)
        if found is None:
            part[key] = holder
            self.size += 1
            return NOBODY
        if isinstance(found, int):
            if found == _COMMON:
                return NOBODY
            part[key] = array("I", (found, holder))
            return (found,)
        before = tuple(found)
        if len(before) >= most:
            part[key] = _COMMON
        else:
            found.append(holder)
        return before

    def remove(self, key: int, holder: int) -> None:
        """Take a key from a holder."""
        part = self._parts[_part(key)]
        found = part.get(key)
        if isinstance(found, int):
            if found == holder:
                del part[key]
                self.size -= 1
        elif found is not None and holder in found:
            found.remove(holder)
            if len(found) == 1:
                part[key] = found[0]


def _part(key: int) -> int:
    # The low bits say what kind of key it is.
    return key >> 8 & (_PARTS - 1)
