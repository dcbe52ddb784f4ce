"""What start lines say: methods, status codes, reasons; and the Call-ID."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from types import MappingProxyType

from sipstream.errors import FilterError
from sipstream.escape import escape
from sipstream.filters.columns import CallIds, Kinds
from sipstream.filters.term import (
    EQUALS,
    ORDER,
    REGEX,
    MessageTerm,
    Predicate,
    Registry,
    Term,
    Test,
)
from sipstream.filters.terms.texts import Texts
from sipstream.filters.texts import (
    TextSet,
    has_wildcard,
    regex_test,
    regex_text,
    text_test,
)
from sipstream.filters.values import code_test, code_text, shown, status_text
from sipstream.sip.startline import KNOWN

registry = Registry("messages")

TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
"""What RFC 3261 section 25.1 calls a token: a method, a header's name."""
CLASSES = MappingProxyType(
    {
        "1xx": "provisional",
        "2xx": "success",
        "3xx": "redirection",
        "4xx": "refused",
        "5xx": "server failure",
        "6xx": "refused everywhere",
    }
)


@registry
class Method(MessageTerm):
    """Which requests there are."""

    name = "method"
    syntax = "<method> [method(s)]"
    help = "a request's method is <method>"
    needs = "a method"
    example = "method REGISTER"
    value_kind = "method"
    choices = MappingProxyType({method.decode(): "a request's method" for method in KNOWN})

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the method in capitals; one nearly known is a slip."""
        if not TOKEN.fullmatch(value):
            raise FilterError(f"'{shown(value)}' is no method such as INVITE or OPTIONS")
        name = value.upper()
        if name not in cls.choices:
            for near in difflib.get_close_matches(name[:32], cls.choices, 1, 0.8):
                raise FilterError(f"'{shown(value)}' is no method, did you mean {near}?")
        return name

    def test(self) -> Test:
        """Compare a request's method."""
        methods = frozenset(self.values)
        return lambda message: message.method is not None and message.method.upper() in methods

    def predicate(self) -> Predicate:
        """Ask the index."""
        methods = frozenset(self.values)
        return Kinds(
            lambda kinds: any(isinstance(kind, str) and kind.upper() in methods for kind in kinds)
        )


class StatusCodes(Term):
    """Status codes, classes and ranges of them, or what is more or less than one."""

    syntax = "<code> [code(s)]"
    needs = "a status code"
    value_kind = "status"
    operators = (*ORDER, EQUALS)
    choices = CLASSES

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the code, class or range in small letters."""
        return code_text(value) if operator in ORDER else status_text(value)


@registry
class Status(StatusCodes, MessageTerm):
    """Which responses there are."""

    name = "status"
    help = "a response's status is <code>: 403, 4xx or 100-199; also > >= < <="
    example = "status 403"

    def test(self) -> Test:
        """Compare a response's status."""
        wanted = code_test(self.operator, self.values)
        return lambda message: message.status is not None and wanted(message.status)

    def predicate(self) -> Predicate:
        """Ask the index."""
        wanted = code_test(self.operator, self.values)
        return Kinds(lambda kinds: any(isinstance(kind, int) and wanted(kind) for kind in kinds))


@registry
class Reason(Texts):
    """Why, in words."""

    name = "reason"
    syntax = "<text> [text(s)]"
    help = "<text> is in a response's reason phrase, or in a Reason header (RFC 3326)"
    example = 'reason "Not Here"'
    value_kind = "value-reason"

    def test(self) -> Test:
        """Look into reason phrase and Reason headers."""
        holds = text_test(self.operator, self.values)
        return lambda message: (
            (message.status is not None and holds(message.reason))
            or any(map(holds, message.headers("Reason")))
        )


@registry
class CallId(MessageTerm):
    """Which conversation it is."""

    name = "callid"
    syntax = "<call-id> [call-id(s)]"
    help = "the Call-ID is <call-id>, in which * stands for any text"
    needs = "a Call-ID"
    example = "callid *@10.20.0.22"
    value_kind = "call-id"
    operators = (REGEX,)

    @classmethod
    def check_value(cls, value: str, operator: str = "") -> str:
        """Return the Call-ID, or the regular expression."""
        if operator == REGEX:
            return regex_text(value)
        has_wildcard(value)
        return value

    def test(self) -> Test:
        """Compare the Call-ID of a message's conversation."""
        holds = self.holds()
        return lambda message: holds(
            message.origin.c_call_id[message.conversation].decode("utf-8", "surrogateescape")
        )

    def predicate(self) -> Predicate:
        """Compare the Call-ID, whose case counts (RFC 3261 20.8), as it is and as it is shown."""
        return CallIds(self.holds())

    def holds(self) -> Callable[[str], bool]:
        """Return a function that tells whether a Call-ID is wanted."""
        holds = regex_test(self.values) if self.operator else TextSet(self.values).holds

        def found(call_id: str) -> bool:
            return holds(call_id) or ((shown := escape(call_id)) != call_id and holds(shown))

        return found
