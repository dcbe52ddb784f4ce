"""What filters mean, said once more in the plainest way: nothing is remembered, cut short or indexed.

A message is split into lines, a conversation is a list of messages, an expression is a nested tuple.
Nothing of sipstream.filters or sipstream.sip is used here, so that a fault there isn't repeated.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import ip_address, ip_network
from operator import eq, ge, gt, le, lt
from urllib.parse import unquote

COMPACT = {
    "c": "content-type", "f": "from", "i": "call-id", "k": "supported", "l": "content-length",
    "m": "contact", "o": "event", "r": "refer-to", "s": "subject", "t": "to", "v": "via",
    "x": "session-expires", "y": "identity", "b": "referred-by", "e": "content-encoding",
    "u": "allow-events",
}  # fmt: skip
COMPARE = {"": eq, "=": eq, ">": gt, ">=": ge, "<": lt, "<=": le}
CODECS = {"0": "PCMU", "3": "GSM", "8": "PCMA", "9": "G722", "13": "CN", "18": "G729", "34": "H263"}
CALLED = {"G.729": "G729", "ULAW": "PCMU", "G711A": "PCMA", "G.711U": "PCMU"}
"""Names of codecs as people write them."""
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}
TERM, EITHER, BOTH, NEITHER, AMONG = "term", "or", "and", "not", "among"
"""What an expression begins with: `(TERM, name, subject, operator, values)`, `(EITHER, part, ...)`,
`(BOTH, part, ...)`, `(NEITHER, part)`, `(AMONG, "each", part)`."""


@dataclass(eq=False)
class Said:
    """A message as it was captured."""

    time: int
    source: tuple[str, int]
    destination: tuple[str, int]
    raw: bytes
    transport: str = "UDP"
    tap: str = ""
    known: dict[tuple, bool] = field(default_factory=dict)
    """What was asked already: an answer never changes, so tests ask each question once."""

    @cached_property
    def parts(self) -> tuple[str, list[tuple[str, str]], str]:
        """Start line, headers with long names in small letters, body."""
        head, _, body = self.raw.decode("utf-8", "surrogateescape").partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        fields: list[tuple[str, str]] = []
        for line in lines:
            if line[:1] in (" ", "\t"):
                name, value = fields.pop()
                fields.append((name, f"{value} {line.strip()}".strip()))
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields.append((COMPACT.get(name, name), value.strip()))
        return start, fields, body

    def headers(self, name: str) -> list[str]:
        name = name.lower()
        return [value for one, value in self.parts[1] if one == COMPACT.get(name, name)]

    @property
    def status(self) -> int:
        """0 for a request."""
        words = self.parts[0].split(" ")
        return int(words[1]) if words[0].startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """ "" for a response."""
        return "" if self.status else self.parts[0].split(" ")[0]

    @property
    def answers(self) -> str:
        """The method of its CSeq."""
        return self.headers("CSeq")[0].split()[-1]


@dataclass(eq=False)
class Call:
    """A conversation: its messages in the order in which they came in."""

    call_id: str
    messages: list[Said]

    def by_time(self) -> list[Said]:
        return sorted(self.messages, key=lambda one: one.time)


# Values


def without_quotes(text: str) -> str:
    out, inside, skip = "", False, False
    for char in text:
        if skip:
            skip = False
        elif inside and char == "\\":
            skip = True
        elif char == '"':
            inside = not inside
        elif not inside:
            out += char
    return out


def listed(value: str) -> list[str]:
    """The parts of a value that commas part, but for those in quotes or <>."""
    parts, quoted, angled = [""], False, False
    for char in value:
        quoted = quoted != (char == '"')
        angled = (angled or char == "<") and char != ">"
        if char == "," and not quoted and not angled:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def uri_of(value: str) -> tuple[str, str, str]:
    """Scheme, what stands before @ (of a tel URI without one: all), what stands behind it."""
    text = without_quotes(value)
    starts = [(text.lower().find(f"{one}:"), one) for one in ("sips", "sip", "tel")]
    place, scheme = min(((place, one) for place, one in starts if place >= 0), default=(-1, ""))
    if place < 0:
        return "", "", ""
    rest = re.split(r"[\s>]", text[place + len(scheme) + 1 :])[0]
    if "@" in rest:
        user, _, host = rest.partition("@")
        return scheme, user, host
    return (scheme, rest, "") if scheme == "tel" else (scheme, "", rest)


def raw_user(value: str) -> str:
    """The user part as it is written, percent signs undone."""
    return unquote(re.split("[;:?,]", uri_of(value)[1])[0])


def number_of(value: str) -> str:
    """The user part; of a telephone number without what people write between digits."""
    user = raw_user(value)
    bare = "".join(char for char in user if char not in "-.() ")
    return bare if re.fullmatch(r"\+?[0-9*#]+", bare) else user


def host_of(value: str) -> str:
    host = re.split("[;?,]", uri_of(value)[2])[0]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def whole_uri(value: str) -> str:
    scheme, user, host = uri_of(value)
    if not scheme:
        return ""
    user, host = re.split("[;:?,]", user)[0], re.split("[;?,]", host)[0]
    return f"{scheme}:{user}@{host}" if host and user else f"{scheme}:{user}{host}"


def one_spelling(number: str) -> str:
    """A number without separators, +, 00 and a trunk prefix; any other user as it is."""
    bare = "".join(char for char in number if char not in "-.() ")
    if not re.fullmatch(r"\+?[0-9*#?]+", bare):
        return number
    while re.match(r"\+.|00[1-9*?]", bare):
        bare = bare[1:] if bare[0] == "+" else bare[2:]
    return bare


def national(number: str) -> str:
    """A number of the country dialled with its 0, without it."""
    return number[1:] if re.fullmatch("0[1-9][0-9]{5,}", number) else number


def fits(pattern: str, text: str, star: str = ".*", single: str = ".") -> bool:
    """Whether the whole text is what a pattern with * and ? says."""
    made = "".join({"*": star, "?": single}.get(char, re.escape(char)) for char in pattern)
    return re.fullmatch(made, text, re.DOTALL) is not None


def found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


def number_fits(value: str, operator: str, user: str) -> bool:
    if not user:
        return False
    if operator == "~":
        return found(value, user)
    number = one_spelling(user)
    both = {number, national(number)}
    ends = re.fullmatch(r"(\+?\d{3,18})-(\+?\d{3,18})", value)
    if ends:
        low, high = one_spelling(ends[1]), one_spelling(ends[2])
        if len(low) == len(high):
            return any(
                one.isdecimal() and len(one) == len(low) and int(low) <= int(one) <= int(high)
                for one in both
            )
    wanted = one_spelling(value)
    if "*" not in wanted and "?" not in wanted:
        return bool(both & {wanted, national(wanted)}) and national(wanted) == national(number)
    if re.fullmatch(r"\+?[0-9*#?]+", wanted):
        return any(fits(wanted, one, "[0-9*#+]*", "[0-9*#+]") for one in both)
    return fits(wanted, number)


def address_fits(value: str, address: str) -> bool:
    low, dash, high = value.partition("-")
    if dash:
        ends = ip_address(low), ip_address(high)
        mine = ip_address(address)
        return mine.version == ends[0].version and int(ends[0]) <= int(mine) <= int(ends[1])
    network = ip_network(value.removeprefix("::ffff:"), strict=False)
    return ip_address(address) in network


def endpoint_fits(value: str, end: tuple[str, int]) -> bool:
    host, _, port = value.rpartition(":")
    return ip_address(host.strip("[]")) == ip_address(end[0]) and int(port) == end[1]


def status_fits(value: str, operator: str, status: int) -> bool:
    if operator not in ("", "="):
        return COMPARE[operator](status, int(value))
    low, _, high = value.partition("-")
    first, last = low.lower().replace("x", "0"), (high or low).lower().replace("x", "9")
    return int(first) <= status <= int(last)


def text_fits(value: str, operator: str, text: str) -> bool:
    if operator == "~":
        return found(value, text)
    if operator == "=":
        return fits(value.lower(), text.lower())
    return value.lower() in text.lower()


def span(value: str) -> float:
    amount, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", value).groups()  # type: ignore[union-attr]
    return float(amount) * UNITS[unit]


def moment(value: str, newest: int) -> float:
    """Seconds since the epoch of a local time, of the newest message's day where it has no date."""
    day, _, clock = value.rpartition("T") if "T" in value else ("", "", value)
    if "-" in clock:
        day, clock = clock, "00:00"
    day = day or datetime.fromtimestamp(newest // 10**9).strftime("%Y-%m-%d")
    parts = [float(part) for part in clock.split(":")] + [0.0]
    start = datetime.strptime(day, "%Y-%m-%d")
    return (start + timedelta(hours=parts[0], minutes=parts[1], seconds=parts[2])).timestamp()


# Bodies


def streams(said: Said) -> Iterator[tuple[str, int, list[str]]]:
    """Address, port and codecs of all media."""
    body = said.parts[2]
    kind = "".join(said.headers("Content-Type")[:1])
    name = kind.partition(";")[0].strip().lower()
    if name.startswith("multipart/"):
        boundary = kind.partition("boundary=")[2].strip('"')
        for part in body.split(f"--{boundary}")[1:-1]:
            head, _, text = part.lstrip("\r\n").partition("\r\n\r\n")
            if "application/sdp" in head.lower():
                yield from streams_in(text)
    elif name in ("", "application/sdp") and not said.headers("Content-Encoding"):
        yield from streams_in(body)


def streams_in(body: str) -> Iterator[tuple[str, int, list[str]]]:
    session, *media = re.split(r"(?m)^m=", body)
    everywhere = re.findall(r"(?m)^c=IN IP[46] ([^\s/]+)", session)
    for one in media:
        _, port, _, *formats = one.split("\n")[0].split()
        names = dict(re.findall(r"(?m)^a=rtpmap:(\d+) ([^\s/]+)", one))
        own = re.findall(r"(?m)^c=IN IP[46] ([^\s/]+)", one)
        address = "".join((own or everywhere)[-1:])
        yield address, int(port), [names.get(one) or CODECS.get(one, one) for one in formats]


def media_fits(value: str, address: str, port: int) -> bool:
    if value.isdecimal():
        return int(value) == port
    if not address:
        return False
    if re.fullmatch(r"\[.*\]:\d+|[^:]*:\d+", value):
        return endpoint_fits(value, (address, port))
    return address_fits(value, address)


def attestation(value: str) -> str:
    parts = value.partition(";")[0].split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except (ValueError, IndexError):
        return ""
    return str(claims.get("attest", ""))


def wants_privacy(said: Said) -> bool:
    for name in ("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"):
        for value in said.headers(name):
            outside = re.sub("<[^>]*>", "", without_quotes(value)).lower()
            for parameter in outside.split(";")[1:]:
                key, _, what = parameter.partition("=")
                if key.strip() == "privacy" and what.split(",")[0].strip() != "off":
                    return True
    return any(
        wish.strip().lower() not in ("", "none")
        for value in said.headers("Privacy")
        for wish in value.split(";")
    )


# Terms on messages


def named(said: Said) -> list[str]:
    """All values of a message that name someone."""
    values = [said.parts[0].split(" ")[1]] if said.method else []
    for name in (
        "From", "To", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID",
        "Diversion", "History-Info", "Contact",
    ):  # fmt: skip
        for value in said.headers(name):
            values += listed(value)
    return values


OF_INVITES = {
    "diversion": "Diversion", "pai": "P-Asserted-Identity", "ppi": "P-Preferred-Identity",
    "rpid": "Remote-Party-ID",
}  # fmt: skip


def texts_of(name: str, subject: str, said: Said) -> list[str]:
    """What a term of texts compares."""
    if name == "header":
        return said.headers(subject)
    if name == "ua":
        return said.headers("User-Agent") + said.headers("Server")
    if name == "reason":
        phrase = said.parts[0].split(" ", 2)[2:] if said.status else []
        return phrase + said.headers("Reason")
    return [said.parts[2]]


def has(subject: str, said: Said) -> bool:
    if subject == "privacy":
        return said.method == "INVITE" and wants_privacy(said)
    if subject.lower() in OF_INVITES or subject.lower() in map(str.lower, OF_INVITES.values()):
        name = OF_INVITES.get(subject.lower(), subject)
        return said.method == "INVITE" and bool(said.headers(name))
    return bool(said.headers(subject))


def leading_number(text: str) -> int | None:
    match = re.match(r"\s*(\d+)", text)
    return int(match[1]) if match else None


def one_passes(name: str, operator: str, subject: str, value: str, said: Said) -> bool:
    """Whether a message has one value of a term."""
    if name in ("srcnum", "dstnum", "telnum"):
        sides = {"srcnum": ["From"], "dstnum": ["To"], "telnum": ["From", "To"]}[name]
        users = [number_of(said.headers(side)[0]) for side in sides if said.headers(side)]
        return any(number_fits(value, operator, user) for user in users)
    if name in OF_INVITES:
        users = [number_of(part) for one in said.headers(OF_INVITES[name]) for part in listed(one)]
        return said.method == "INVITE" and any(number_fits(value, operator, one) for one in users)
    if name == "number":
        return any(number_fits(value, operator, number_of(one)) for one in named(said))
    if name == "user":
        users = [one for one in map(raw_user, named(said)) if one]
        return any(found(value, one) if operator else fits(value, one) for one in users)
    if name in ("domain", "uri"):
        parts = map(host_of if name == "domain" else whole_uri, named(said))
        return any(text_fits(value, operator or "=", one) for one in parts if one)
    if name in ("srcip", "dstip", "ip"):
        ends = {"srcip": [said.source], "dstip": [said.destination]}.get(
            name, [said.source, said.destination]
        )
        return any(address_fits(value, address) for address, _ in ends)
    if name == "port":
        low, _, high = value.partition("-")
        ends = said.source, said.destination
        return any(int(low) <= port <= int(high or low) for _, port in ends)
    if name == "endpoint":
        return endpoint_fits(value, said.source) or endpoint_fits(value, said.destination)
    if name == "transport":
        return said.transport.lower() == value.lower()
    if name in ("tap", "interface"):
        return fits(value, said.tap)
    if name == "method":
        return said.method.upper() == value.upper()
    if name == "status":
        return said.status > 0 and status_fits(value, operator, said.status)
    if name == "codec":
        wanted = CALLED.get(value.upper(), value.upper())
        return any(fits(wanted, codec.upper()) for _, _, all_ in streams(said) for codec in all_)
    if name == "media":
        return any(media_fits(value, address, port) for address, port, _ in streams(said))
    if name == "header" and operator in (">", ">=", "<", "<="):
        numbers = [leading_number(text) for text in said.headers(subject)]
        return any(one is not None and COMPARE[operator](one, int(value)) for one in numbers)
    return any(text_fits(value, operator, text) for text in texts_of(name, subject, said))


def passes(term: tuple, said: Said, call: Call, newest: int) -> bool:
    """Whether a message passes a term."""
    _, name, subject, operator, values = term
    if name == "has" or (name == "header" and not values):
        return has(subject, said) if name == "has" else bool(said.headers(subject))
    if name == "stir":
        claims = [attestation(value) for value in said.headers("Identity")]
        return any(not values or claim in map(str.upper, values) for claim in claims)
    if name == "callid":
        return any(
            found(value, call.call_id) if operator else fits(value, call.call_id)
            for value in values
        )
    if name == "since":
        begin = moment(values[0], newest)
        if begin > newest / 10**9 + 3600 and "-" not in values[0]:
            # Not yet come: the day before is meant.
            begin = moment(values[0], newest - 86_400 * 10**9)
        return said.time / 10**9 >= begin
    if name == "until":
        return said.time / 10**9 <= moment(values[0], newest)
    if name == "last":
        return said.time >= newest - int(span(values[0]) * 10**9)
    if term not in said.known:
        said.known[term] = any(one_passes(name, operator, subject, value, said) for value in values)
    return said.known[term]


# Terms on conversations


def state_of(messages: Sequence[Said]) -> str:
    """What the messages of a conversation have come to."""
    state = "new"
    for one in messages:
        state = state_after(state, one)
    return state


def state_after(state: str, one: Said) -> str:
    if one.method:
        if one.method == "INVITE":
            return "calling" if state in ("new", "failed", "open") else state
        if one.method == "CANCEL":
            return "cancelled" if state in ("new", "calling", "ringing") else state
        if one.method == "BYE":
            return "ended"
        if one.method == "REGISTER":
            return "registered" if state == "registered" else "registering"
        return "open" if state in ("new", "done") else state
    if one.status in (401, 407) or state in ("answered", "ended", "cancelled"):
        return state
    if state == "new":
        begun = {"INVITE": "calling", "REGISTER": "registering", "BYE": "ended"}
        state = begun.get(one.answers, "open")
    if one.status < 180:
        return state
    if one.answers == "INVITE":
        return "failed" if one.status >= 300 else "answered" if one.status >= 200 else "ringing"
    if one.answers == "REGISTER" and one.status >= 200:
        return "registered" if one.status < 300 else "failed"
    if state in ("open", "done") and one.status >= 200:
        return "done" if one.status < 300 else "failed"
    return state


def final_of(call: Call) -> int:
    finals = [one for one in call.by_time() if one.status >= 200]
    to_invite = [one for one in finals if one.answers == "INVITE"]
    return (to_invite or finals)[-1].status if finals else 0


def setup_of(call: Call) -> float | None:
    begun = None
    for one in call.by_time():
        if one.method == "INVITE" and begun is None:
            begun = one.time
        told = one.status > 100 and one.status not in (401, 407) and one.answers == "INVITE"
        if told and begun is not None:
            return one.time - begun
    return None


def sent_again(call: Call) -> int:
    """How many messages came before, more than a copy's time ago."""
    count = 0
    seen: dict[tuple, int] = {}
    for one in call.by_time():
        key = one.source, one.destination, one.raw
        if key not in seen:
            seen[key] = one.time
        elif one.time - seen[key] > 50_000_000:
            seen[key] = one.time
            count += 1
    return count


def measured(name: str, call: Call) -> float | None:
    if name == "messages":
        return len(call.messages)
    if name == "retransmissions":
        return sent_again(call)
    times = [one.time for one in call.messages]
    return max(times) - min(times) if name == "duration" else setup_of(call)


OF_FIRST = frozenset({"srcnum", "dstnum", "telnum", "srcip", "dstip", "ip"})


def term_holds(term: tuple, call: Call, newest: int) -> bool:
    _, name, _, operator, values = term
    if name == "state":
        state = state_of(call.messages)
        silent = not any(one.status for one in call.messages)
        return state in values or ("unanswered" in values and silent)
    if name == "final":
        final = final_of(call)
        return final > 0 and any(status_fits(value, operator, final) for value in values)
    if name in ("messages", "retransmissions", "duration", "setup"):
        amount = measured(name, call)
        factor = 10**9 if name in ("duration", "setup") else 1
        limit = span(values[0]) if factor > 1 else int(values[0])
        return amount is not None and COMPARE[operator](amount, limit * factor)
    if name in OF_FIRST:
        return passes(term, call.by_time()[0], call, newest)
    return any(passes(term, one, call, newest) for one in call.messages)


def message_holds(tree: tuple, said: Said, call: Call, newest: int) -> bool:
    head = tree[0]
    if head == TERM:
        return passes(tree, said, call, newest)
    if head == NEITHER:
        return not message_holds(tree[1], said, call, newest)
    results = [message_holds(part, said, call, newest) for part in tree[1:]]
    return all(results) if head == BOTH else any(results)


def holds(tree: tuple, call: Call, newest: int) -> bool:
    """Whether a conversation matches an expression; `newest` is the latest time of all messages."""
    head = tree[0]
    if head == TERM:
        return term_holds(tree, call, newest)
    if head == NEITHER:
        return not holds(tree[1], call, newest)
    if head == AMONG:
        asked: Callable[[Said], bool] = lambda one: message_holds(tree[2], one, call, newest)  # noqa: E731
        if tree[1] == "first":
            return asked(call.by_time()[0])
        return (all if tree[1] == "each" else any)(map(asked, call.messages))
    results = [holds(part, call, newest) for part in tree[1:]]
    return all(results) if head == BOTH else any(results)
