"""What a conversation's codes, in order of time, say of its requests: what RFC 6076 counts and times.

A million messages make few different sequences of codes: each is read once (`read`), and what it comes
to, a `Trail`, names places in the sequence whose times are then looked up. The codes are those between
two endpoints (one hop): what a proxy sends on is no second request. Sans-IO.

A request of a code that came before is taken for the same one, sent again or seen by another tap, as
long as it isn't over: a REGISTER or BYE until its final response, an INVITE until its ACK (RFC 3261
17.1.1.2, 17.1.2.2, 13.3.1.4). The CSeq would say it for sure, and isn't looked at: a request that is
sent again after its final response was captured counts as a new one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import NamedTuple

from sipstream.filters.term import Due
from sipstream.sip.startline import (
    ACK,
    BYE,
    INVITE,
    REGISTER,
    answered,
    is_request,
    kind_in,
)

CHALLENGES = (401, 402, 407)
"""No failures for RFC 6076 (4.2, 4.3.2): the same request follows, with credentials."""
EFFECTIVE = (480, 486, 600, 603)
"""Failures that a user causes, no fault of the network (RFC 6076 4.7)."""
INEFFECTIVE = (408, 500, 503, 504)
"""Failures or overload within the network (RFC 6076 4.8)."""
USERS_DOING = (*EFFECTIVE, 487)
"""What users do by ITU-T E.425, no fault of the network: busy, no answer, refusal, CANCEL."""
NO_ANSWER = 408
"""After it rang: nobody answered (E.425)."""

_REMEMBERED = 1 << 14
"""Sequences of which the trail is remembered."""
_LONGEST = 64
"""Codes of a sequence that is: longer ones hardly come twice."""
_PIECE = 512
"""Codes of a longer one that are read between two looks at the clock."""


class Trail(NamedTuple):
    """What a sequence of codes comes to; numbers are places in it."""

    counts: dict[str, int]
    """How many of what; see `metrics.Metrics` for the names."""
    spans: tuple[tuple[str, int, int], ...]
    """What is timed, from which message to which."""
    answers: tuple[int, ...]
    """The 2xx by which sessions began."""
    ends: tuple[int, ...]
    """The BYEs by which these ended."""
    failures: tuple[int, ...]
    """Final responses by which requests failed."""
    open_byes: tuple[tuple[int, int], ...]
    """BYEs without a final response, and the 2xx of their sessions; -1 where that wasn't seen."""
    open_registers: tuple[int, ...]
    """REGISTERs without a final response."""
    open_invites: tuple[int, ...]
    """INVITEs without any response."""
    again: tuple[tuple[int, int], ...]
    """Messages that came before, and where the like of it came last."""


def of(codes: tuple[int, ...], due: Due) -> Generator[None, None, Trail]:
    """Return what a sequence comes to, giving control back whenever it is due."""
    if len(codes) <= _LONGEST:
        return _remembered(codes)
    reader = _Reader()
    for begin in range(0, len(codes), _PIECE):
        reader.read(codes[begin : begin + _PIECE], begin)
        if due():
            yield
    return reader.trail()


class _Request:
    """A request and the responses to it."""

    __slots__ = ("begin", "continues", "over", "responses", "seen")

    def __init__(self) -> None:
        self.begin = -1
        """Where it was first sent, before all challenges and redirections; -1 before any."""
        self.continues = False
        """Its last response wants it to be sent in another way: challenged, or redirected."""
        self.over = True
        """A final response came."""
        self.responses = 0
        self.seen: dict[int, int] = {}
        """Codes since it was sent, each with its last place."""

    def starts(self, place: int, code: int) -> None:
        """It is sent, with the credentials or to the address that were asked for, or a new one."""
        if not self.continues:
            self.begin = place
        self.continues = self.over = False
        self.responses = 0
        self.seen = {code: place}


class _Reader:
    """Reads a sequence once, from its first code to its last."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.spans: list[tuple[str, int, int]] = []
        self.answers: list[int] = []
        self.ends: list[int] = []
        self.failures: list[int] = []
        self.again: list[tuple[int, int]] = []
        self._invite, self._register, self._bye = _Request(), _Request(), _Request()
        self._inside = _Request()
        """An INVITE within a session."""
        self._others: dict[int, int] = {}
        """Codes of requests of other methods that aren't over, and of the responses to such."""
        self._others_over = True
        self._acked = True
        self._told = -1
        """The first response that says more than 100 or a challenge."""
        self._answer = -1
        """The 2xx of the session that goes on; -1 while there is none."""

    def read(self, codes: Sequence[int], begin: int = 0) -> None:
        """Read codes, the first of them at the place `begin`."""
        for place, code in enumerate(codes, begin):
            kind = kind_in(code)
            if is_request(kind):
                self._take_request(place, code, kind)
            else:
                self._take_response(place, code, kind)

    def trail(self) -> Trail:
        """Return what was read comes to."""
        bye, register, invite = self._bye, self._register, self._invite
        return Trail(
            dict(self.counts),
            tuple(self.spans),
            tuple(self.answers),
            tuple(self.ends),
            tuple(self.failures),
            () if bye.over else ((bye.begin, self._answer),),
            () if register.over else (register.begin,),
            () if invite.over or invite.responses else (invite.begin,),
            tuple(self.again),
        )

    # Requests

    def _take_request(self, place: int, code: int, kind: int) -> None:
        if kind == INVITE:
            self._take_invite(place, code)
        elif kind == ACK:
            request = (
                self._inside if self._answer >= 0 and self._inside.begin >= 0 else self._invite
            )
            self._acked = True
            self._note(request.seen, place, code)
        elif kind == REGISTER:
            if self._register.over:
                self._register.starts(place, code)
                self.counts["registers"] += 1
            else:
                self._note(self._register.seen, place, code)
        elif kind == BYE:
            self._take_bye(place, code)
        else:
            self._take_other(place, code)

    def _take_invite(self, place: int, code: int) -> None:
        within = self._answer >= 0
        request = self._inside if within and self._inside.begin >= 0 else self._invite
        if not (request.over and self._acked):
            self._note(request.seen, place, code)
            return
        if within:
            self._inside.continues = False
            self._inside.starts(place, code)
        else:
            if not self._invite.continues:
                self.counts["sessions"] += 1
            self.counts["invites"] += 1
            self._invite.starts(place, code)
            self._told = -1
        self._acked = False

    def _take_bye(self, place: int, code: int) -> None:
        bye = self._bye
        if not bye.over or (self._answer < 0 and bye.begin >= 0 and not bye.continues):
            self._note(bye.seen, place, code)
            return
        if not bye.continues and self._answer >= 0:
            self.ends.append(place)
        bye.starts(place, code)

    def _take_other(self, place: int, code: int) -> None:
        if self._others_over:
            self._others = {}
            self._others_over = False
        self._note(self._others, place, code)

    # Responses

    def _take_response(self, place: int, code: int, kind: int) -> None:
        method = answered(code)
        if method == INVITE:
            self._take_answer(place, code, kind)
        elif method == REGISTER:
            if self._is_new(self._register, place, code):
                self._take_registered(place, kind)
        elif method == BYE:
            if self._is_new(self._bye, place, code):
                self._take_goodbye(place, kind)
        else:
            # Which of them it answers isn't known.
            self._note(self._others, place, code)
            self._others_over = self._others_over or kind >= 200

    def _take_answer(self, place: int, code: int, kind: int) -> None:
        within = self._answer >= 0 and self._inside.begin >= 0
        request = self._inside if within else self._invite
        if not self._is_new(request, place, code) or request.over:
            return
        if kind < 200:
            if kind > 100 and self._told < 0:
                self._told = place
            return
        request.over = True
        if within:
            return
        begin, counts = request.begin, self.counts
        told = self._told if self._told >= 0 else place
        if kind < 300:
            counts["answered"] += 1
            counts["effective"] += 1
            counts["users_doing"] += 1
            self.spans.append(("srd", begin, told))
            self.answers.append(place)
            self._answer = place
            self._inside, self._bye = _Request(), _Request()
        elif kind < 400 or kind in CHALLENGES:
            counts["redirected" if kind < 400 else "challenged"] += 1
            request.continues = True
        else:
            self.failures.append(place)
            counts["failed"] += 1
            counts["cancelled"] += kind == 487
            counts["effective"] += kind in EFFECTIVE
            counts["ineffective"] += kind in INEFFECTIVE
            counts["users_doing"] += kind in USERS_DOING or (kind == NO_ANSWER and told != place)
            self.spans.append(("srd_failed", begin, told))

    def _take_registered(self, place: int, kind: int) -> None:
        register = self._register
        if kind < 200 or register.over:
            return
        register.over = True
        if kind < 300:
            self.counts["registered"] += 1
            self.spans.append(("rrd", register.begin, place))
        elif kind in CHALLENGES:
            register.continues = True
        elif kind >= 400:
            self.counts["registers_failed"] += 1
            self.failures.append(place)

    def _take_goodbye(self, place: int, kind: int) -> None:
        bye = self._bye
        if kind < 200 or bye.over:
            return
        bye.over = True
        if kind in CHALLENGES:
            bye.continues = True
            return
        if kind < 300:
            self.spans.append(("sdd", bye.begin, place))
            self.counts["completed"] += self._answer >= 0
        else:
            self.spans.append(("sdd_failed", bye.begin, place))
        if self._answer >= 0:
            self.spans.append(("sdt", self._answer, bye.begin))
            self._answer = -1
            self._acked = True

    def _is_new(self, request: _Request, place: int, code: int) -> bool:
        """Tell whether a response is the first of its kind to a request that was seen."""
        if self._note(request.seen, place, code) or request.begin < 0:
            return False
        request.responses += 1
        return True

    def _note(self, seen: dict[int, int], place: int, code: int) -> bool:
        """Note a code, return whether it was there."""
        before = seen.get(code)
        seen[code] = place
        if before is not None:
            self.again.append((place, before))
        return before is not None


@lru_cache(maxsize=_REMEMBERED)
def _remembered(codes: tuple[int, ...]) -> Trail:
    reader = _Reader()
    reader.read(codes)
    return reader.trail()
