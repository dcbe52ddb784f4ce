"""Prints how well the findings do on the labelled set, captures/findings.

    python tests/findings/measure.py

What a file shows has to be exactly its labels: `FINDING/yes-*` shows FINDING, `FINDING/no-*` and
`clean/*` nothing, and what labels.toml says a file shows beside that. Anything else is a false alarm.
"""

from __future__ import annotations

import asyncio
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from finding_cases import DIRECTORY

from sipstream import pipeline
from sipstream.conversations import Conversations
from sipstream.findings import FINDINGS, Around, diagnose
from sipstream.rtp.streams import Streams
from sipstream.sources.file import FileSource

CLEAN = "clean"
LABELS = DIRECTORY / "labels.toml"


@dataclass(slots=True)
class Measured:
    """What came of one finding, or of all."""

    right: int = 0
    """Files that show it and have it."""
    false: list[Path] = field(default_factory=list)
    """Files that show it and should not."""
    missed: list[Path] = field(default_factory=list)
    """Files that should show it and don't."""

    @property
    def precision(self) -> float:
        """The share of what is shown that is so."""
        shown = self.right + len(self.false)
        return self.right / shown if shown else 1.0

    @property
    def recall(self) -> float:
        """The share of what is so that is shown."""
        wanted = self.right + len(self.missed)
        return self.right / wanted if wanted else 1.0


def files() -> list[Path]:
    """Return the captures of the set."""
    return sorted(DIRECTORY.glob("*/*.pcap*"))


def labels() -> dict[Path, frozenset[str]]:
    """Return what each capture of the set has to show."""
    beside: dict[str, list[str]] = tomllib.loads(LABELS.read_text())["also"]
    found: dict[Path, frozenset[str]] = {}
    for path in files():
        own = {path.parent.name} if path.name.startswith("yes-") else set()
        name = str(path.relative_to(DIRECTORY))
        found[path] = frozenset(own | set(beside.pop(name, ())))
    if beside:
        raise ValueError(f"labels.toml names what isn't there: {', '.join(beside)}")
    return found


def shown(path: Path) -> dict[str, list[str]]:
    """Return the findings of a capture by name, with the sentence of each conversation that has it."""
    conversations = Conversations()
    streams = Streams(conversations.index.endpoints.outers)
    intake = pipeline.Intake(FileSource(path), conversations, None, streams)
    asyncio.run(pipeline.run(intake, lambda added: None))
    around = Around(streams.of)
    sentences: dict[str, list[str]] = {}
    for conversation in conversations:
        for finding in diagnose(conversation, around):
            sentences.setdefault(finding.name, []).append(finding.sentence)
    return sentences


def measured(
    wanted: Mapping[Path, frozenset[str]], seen: Mapping[Path, frozenset[str]]
) -> dict[str, Measured]:
    """Return what came of each finding: those that rules find, and those that labels name."""
    names = {*FINDINGS, *(name for one in wanted.values() for name in one)}
    figures = {name: Measured() for name in sorted(names)}
    for path, expected in wanted.items():
        for name in expected & seen[path]:
            figures[name].right += 1
        for name in seen[path] - expected:
            figures[name].false.append(path)
        for name in expected - seen[path]:
            figures[name].missed.append(path)
    return figures


def total(figures: Mapping[str, Measured]) -> Measured:
    """Return what came of all findings together."""
    all_of_them = figures.values()
    return Measured(
        sum(one.right for one in all_of_them),
        [path for one in all_of_them for path in one.false],
        [path for one in all_of_them for path in one.missed],
    )


def kinds(paths: list[Path]) -> dict[str, Counter[str]]:
    """Return how many captures each finding has: `yes`, `no`, and `recorded` of those that show it."""
    counts: dict[str, Counter[str]] = {}
    for path in paths:
        if path.parent.name == CLEAN:
            continue
        count = counts.setdefault(path.parent.name, Counter())
        kind = path.name.partition("-")[0]
        count[kind] += 1
        count["recorded"] += path.name.startswith(("yes-sipp-", "yes-real-"))
    return counts


def main() -> int:
    """Print the figures; return 1 where anything is not as it is labelled."""
    wanted = labels()
    sentences = {path: shown(path) for path in wanted}
    figures = measured(wanted, {path: frozenset(one) for path, one in sentences.items()})
    counts = kinds(list(wanted))
    print(f"{'finding':<24}{'yes':>5}{'recorded':>10}{'no':>5}{'precision':>11}{'recall':>8}")
    for name, one in figures.items():
        count = counts.get(name, Counter())
        numbers = f"{count['yes']:>5}{count['recorded']:>10}{count['no']:>5}"
        print(f"{name:<24}{numbers}{one.precision:>11.2f}{one.recall:>8.2f}")
    everything = total(figures)
    print(f"{'total':<44}{everything.precision:>11.2f}{everything.recall:>8.2f}")
    clean = [path for path in wanted if path.parent.name == CLEAN]
    alarms = [path for path in clean if sentences[path]]
    print(f"{len(alarms)} of {len(clean)} clean captures with a false alarm")
    for name, one in figures.items():
        for path in one.false:
            print(f"{path.relative_to(DIRECTORY)}: {name} is false: {sentences[path][name][0]}")
        for path in one.missed:
            print(f"{path.relative_to(DIRECTORY)}: {name} is missed")
    return 1 if everything.false or everything.missed else 0


if __name__ == "__main__":
    sys.exit(main())
