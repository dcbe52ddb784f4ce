"""Row F3: whole conversations: descriptions, findings, ladders, calls, figures, exports, masks, RTP.

python tests/hostile/fuzz_calls.py [-max_total_time=1800] [CORPUS]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_atheris import fuzz

if __name__ == "__main__":
    fuzz(
        *("descriptions", "findings", "ladders", "calls", "figures", "exports", "masks", "RTP"),
    )
