"""What tests take for granted: that root goes on as root, and that a hang-up ends programs.

Root's folders are for root only (see test_privileges.py); nohup would have programs heed no hang-up.
"""

import os
import signal

from sipstream.privileges import VARIABLE

if os.geteuid() == 0:
    os.environ.setdefault(VARIABLE, "root")
signal.signal(signal.SIGHUP, signal.SIG_DFL)
