"""A control group of the kernel with a limit on memory, for the processes of one test."""
import os
import subprocess
import sys

import pytest

MOUNT_1 = "/sys/fs/cgroup/memory"
MOUNT_2 = "/sys/fs/cgroup"

# Holds as many bytes as it is told to, a number a line; says when it does.
HOG = """
import mmap, sys
held = None
for line in sys.stdin:
    if held is not None:
        held.close()
    size = int(line)
    held = mmap.mmap(-1, size) if size else None
    for at in range(0, size, 4096):
        held[at] = 1
    print(size, flush=True)
"""


class ControlGroup:
    def __init__(self, limit):
        unified = os.path.exists(MOUNT_2 + "/cgroup.controllers") and "memory" in open(MOUNT_2 + "/cgroup.controllers", encoding="ascii").read()
        self.path = "%s/tulle-test-%d" % (MOUNT_2 if unified else MOUNT_1, os.getpid())
        self.used_file = "memory.current" if unified else "memory.usage_in_bytes"
        try:
            os.mkdir(self.path)
            self._write("memory.max" if unified else "memory.limit_in_bytes", str(limit))
        except OSError as error:
            pytest.skip("no control group can be made here: %s" % error)
        self.limit = limit
        self.hog = None

    def _write(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(text)

    def add(self, pid):
        self._write("cgroup.procs", str(pid))

    def used(self):
        with open(os.path.join(self.path, self.used_file), encoding="ascii") as file:
            return int(file.read())

    def fill_to(self, share):
        """Another process of the group takes what is missing to that share of the limit."""
        if self.hog is None:
            self.hog = subprocess.Popen([sys.executable, "-c", HOG], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.add(self.hog.pid)
        self._hold(0)
        self._hold(max(0, int(self.limit * share) - self.used()))

    def _hold(self, size):
        self.hog.stdin.write("%d\n" % size)
        self.hog.stdin.flush()
        assert self.hog.stdout.readline().strip() == str(size)

    def close(self):
        """After its other processes have ended."""
        if self.hog is not None:
            self.hog.stdin.close()
            self.hog.wait()
        os.rmdir(self.path)
