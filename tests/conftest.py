"""Tests that root runs go on as root: their folders are for root only. See test_privileges.py."""

import os

from sipstream.privileges import VARIABLE

if os.geteuid() == 0:
    os.environ.setdefault(VARIABLE, "root")
