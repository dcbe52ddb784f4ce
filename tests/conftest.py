"""What tests take for granted: that root goes on as root, that a hang-up ends programs, no settings.

Root's folders are for root only (see test_privileges.py); nohup would have programs heed no hang-up;
who runs the tests may have settings of their own.
"""

import atexit
import os
import shutil
import signal
import tempfile

from sipstream.privileges import VARIABLE

if os.geteuid() == 0:
    os.environ.setdefault(VARIABLE, "root")
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="sipstream-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_CONFIG_HOME"], ignore_errors=True)
