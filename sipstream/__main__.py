"""`python -m sipstream`, and what the installed command calls."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the program, return its exit status."""
    if sys.argv[1:] == ["--version"]:
        # Answered before anything is imported: scripts ask for it.
        import os

        from sipstream.version import __version__

        os.write(1, f"sipstream {__version__}\n".encode())
        return 0
    from sipstream.cli import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
