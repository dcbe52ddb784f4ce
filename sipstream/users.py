"""User parts of From and To that are no numbers, as columns have them. Sans-IO."""

from __future__ import annotations

from sipstream.sip.found import User


class Users:
    """User parts that are no numbers, by place, as long as a conversation has them; 0 is none."""

    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self._places: dict[str, int] = {}
        self._counts = [1]
        self._free: list[int] = []
        self.size = 0
        """How many are kept."""
        self.letters = 0
        """How many letters they have together."""

    def take_all(self, users: list[User]) -> list[int]:
        """Return what columns have for users, as `take` does for one."""
        take = self.take
        return [user if isinstance(user, int) else take(user) for user in users]

    def take(self, user: User) -> int:
        """Return what columns have for a user: its code, or below 0 its place, which is kept until it
        was given back as often as it was taken.
        """
        if isinstance(user, int):
            return user
        if not user:
            return 0
        place = self._places.get(user)
        if place is not None:
            self._counts[place] += 1
            return -place
        if self._free:
            place = self._free.pop()
            self._texts[place], self._counts[place] = user, 1
        else:
            place = len(self._texts)
            self._texts.append(user)
            self._counts.append(1)
        self._places[user] = place
        self.size += 1
        self.letters += len(user)
        return -place

    def give_back(self, users: list[int]) -> None:
        """Conversations no longer have these users."""
        counts, texts = self._counts, self._texts
        for number in users:
            if number >= 0:
                continue
            counts[-number] -= 1
            if counts[-number]:
                continue
            user = texts[-number]
            del self._places[user]
            texts[-number] = ""
            self._free.append(-number)
            self.size -= 1
            self.letters -= len(user)
