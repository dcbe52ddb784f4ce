"""Row F3: TLS with known secrets, damaged outside and inside, and key logs, guided by coverage.

python tests/hostile/fuzz_tls.py [-max_total_time=1800] [CORPUS]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_atheris import fuzz

if __name__ == "__main__":
    fuzz("TLS", "sealed in TLS", "key log")
