"""Rebuilds the made captures of the labelled set of findings; those recorded are left as they are.

python tests/make_findings.py           writes captures/findings/
python tests/make_findings.py --check   says which files differ from what it would write
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from finding_cases import CASES, DIRECTORY, build

RECORDED = "sipp-"
"""Begins what follows yes- or no- in the name of a recorded capture (record_findings.py)."""


def write() -> None:
    """Write all cases, and take away those that are no more."""
    for path in left_over():
        path.unlink()
    for name in CASES:
        path, content = build(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def differing() -> list[Path]:
    """Return the files that are missing, hold something else or belong to no case."""
    made = [build(name) for name in CASES]
    changed = [path for path, content in made if not path.is_file() or path.read_bytes() != content]
    return changed + left_over()


def left_over() -> list[Path]:
    """Return the captures that neither a case nor a recording has made."""
    made = {build(name)[0] for name in CASES}
    return [
        path
        for path in sorted(DIRECTORY.glob("*/*.pcap*"))
        if path not in made and RECORDED not in path.name
    ]


def main(arguments: list[str] | None = None) -> int:
    """Write the captures, or check them; return the exit status."""
    parser = argparse.ArgumentParser(description="Rebuild the made captures of findings.")
    parser.add_argument("--check", action="store_true", help="compare the files, write nothing")
    if not parser.parse_args(arguments).check:
        write()
        return 0
    paths = differing()
    for path in paths:
        print(f"{path.relative_to(DIRECTORY)} differs")
    return 1 if paths else 0


if __name__ == "__main__":
    sys.exit(main())
