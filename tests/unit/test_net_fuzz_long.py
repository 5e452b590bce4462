# SPDX-License-Identifier: BSD-2-Clause
"""The fuzz test of netdrv's packet logic, for minutes and with another seed each time."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BINARY = TOP / "build/tests/unit/test_net_fuzz"
ROUNDS = 40_000_000


@pytest.mark.long
def test_hostile_bytes_do_no_harm_for_minutes():
    environment = dict(os.environ, BH_FUZZ_ROUNDS=str(ROUNDS), BH_FUZZ_SEED=str(time.time_ns() | 1),
                       CMOCKA_MESSAGE_OUTPUT="STDOUT")
    done = subprocess.run([BINARY], env=environment, capture_output=True, text=True, check=False)
    seed = re.search(r"BH_FUZZ_SEED=\w+", done.stdout)
    assert done.returncode == 0, f"{seed and seed.group()}\n{done.stdout}\n{done.stderr[-4000:]}"
