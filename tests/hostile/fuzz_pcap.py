"""Row F3: capture files, pcap and pcapng, guided by coverage.

python tests/hostile/fuzz_pcap.py [-max_total_time=1800] [CORPUS]
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from hostile_atheris import fuzz

if __name__ == "__main__":
    fuzz("pcap", "pcapng")
