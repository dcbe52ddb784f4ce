"""What the coverage-guided targets share: atheris, a corpus of this project's own seeds, the loop."""

from __future__ import annotations

import random
import sys
import tempfile
import zlib
from pathlib import Path

_LIMITS = ["-max_len=65536", "-timeout=2", "-rss_limit_mb=512"]


def fuzz(*names: str) -> None:
    """Give atheris's inputs to targets of `hostile_targets`, the first byte chooses which, for ever.

    Arguments of the command line go to atheris; a folder among them is the corpus.
    """
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is missing: python -m pip install atheris")
    with atheris.instrument_imports(include=["sipstream"]):
        from hostile_targets import TARGETS
    targets = [TARGETS[name] for name in names]

    def one_input(data: bytes) -> None:
        if data:
            chance = random.Random(zlib.crc32(data))
            targets[data[0] % len(targets)].check(data[1:], chance)

    with tempfile.TemporaryDirectory() as folder:
        for number, target in enumerate(targets):
            for place, seed in enumerate(target.seeds):
                Path(folder, f"{number}-{place}").write_bytes(bytes([number]) + seed)
        given = [one for one in sys.argv[1:] if not one.startswith("-")]
        # New inputs go into the first folder: the user's, where there is one.
        folders = [*given, folder]
        flags = [one for one in sys.argv[1:] if one.startswith("-")]
        atheris.Setup([sys.argv[0], *_LIMITS, *flags, *folders], one_input)
        atheris.Fuzz()
