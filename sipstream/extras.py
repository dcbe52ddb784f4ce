"""Libraries that only some need: how whoever asks for one gets it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def how_to_install(extra: str) -> str:
    """Return the command that installs an extra where this very program looks for it.

    A `pip` that is found by its name alone is often the system's, which a virtual environment's
    program never looks at, or none.
    """
    pip = Path(sys.prefix) / "bin" / "pip"
    is_own = sys.prefix != sys.base_prefix and pip.exists()
    return f"{shlex.quote(str(pip)) if is_own else 'pip'} install 'sipstream[{extra}]'"
