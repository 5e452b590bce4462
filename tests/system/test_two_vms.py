# SPDX-License-Identifier: BSD-2-Clause
"""Two Debian VMs at once, two vCPUs each on four pCPUs, each on its own volume: nothing is lost, stalled or corrupted."""

import time

import pytest
from machine import GUESTS, Machine, copy_disk

# Write a set of files, forget them, read them back against their sums; again until the time is over.
LOAD = r"""cat > /root/load.sh <<'EOF'
end=$(($(date +%s) + $1))
rounds=0
mkdir -p /root/set
while [ $(date +%s) -lt $end ]; do
    for i in 1 2 3 4; do head -c 1000000 /dev/urandom > /root/set/$i; done
    (cd /root/set && sha256sum * > ../sums)
    sync
    echo 3 > /proc/sys/vm/drop_caches
    (cd /root/set && sha256sum -c --quiet ../sums) || { echo CORRUPT > /root/result; exit 1; }
    rounds=$((rounds + 1))
done
echo ROUNDS $rounds > /root/result
EOF
:"""
TROUBLE = "soft lockup|hard LOCKUP|rcu.*stall|blocked for more than|I/O error|EXT4-fs error|Unexpected interrupt|nobody cared"


@pytest.mark.long
@pytest.mark.parametrize("seconds", [60, 300])
def test_two_vms_under_load(tmp_path, seconds):
    disk = copy_disk(tmp_path / "disk.img")
    names = ("debian1", "debian2")
    with Machine(*(GUESTS / f"{name}.cfg" for name in names), disk=disk, timeout=seconds + 1800) as machine:
        prompt = machine.prompt()
        shells = {}
        for name in names:
            prompt.send(f"console {name}")
            shells[name] = machine.shell(timeout=600)
            shells[name].run("dmesg -n 1")
            shells[name].run(LOAD)
            shells[name].run(f"rm -f /root/result; (sh /root/load.sh {seconds} > /root/log 2>&1 &)")
            prompt = machine.leave_console()
        time.sleep(seconds)
        for name in names:
            prompt.send(f"console {name}")
            machine.expect("its console;.*\n")
            result = shells[name].run("while [ ! -e /root/result ]; do sleep 1; done; cat /root/result", timeout=300)
            assert result.split()[0] == "ROUNDS" and int(result.split()[1]) > 0, shells[name].run("cat /root/log")
            assert shells[name].try_run(f"dmesg | grep -E '{TROUBLE}'") == ("", 1)
            shells[name].send("poweroff")
            prompt = machine.prompt(timeout=300)
        assert "r-----" not in prompt.run("list")
        prompt.send("poweroff")
        assert machine.wait() == 0
