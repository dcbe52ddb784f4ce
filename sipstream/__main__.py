"""`python -m sipstream`, and what the installed command calls."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the program and end with its exit status."""
    if sys.argv[1:] == ["--version"]:
        # Answered before anything is imported: scripts ask for it.
        from sipstream.version import __version__

        os.write(1, f"sipstream {__version__}\n".encode())
        sys.exit(0)
    from sipstream.cli import run

    # All is written and closed by then: to give back what a million messages take, piece by piece,
    # takes a while.
    os._exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
