"""Row F3: SIP over UDP and TCP, and all that can be seen of it, guided by coverage.

python tests/hostile/fuzz_sip.py [-max_total_time=1800] [CORPUS]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_atheris import fuzz

if __name__ == "__main__":
    fuzz("SIP over UDP", "SIP over TCP")
