# SPDX-License-Identifier: BSD-2-Clause
"""Lets the tests here import machine.py and the rest of tests/system, whatever pytest's import mode."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
