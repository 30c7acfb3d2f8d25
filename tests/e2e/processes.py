"""Children of the tests: started, watched, and ended by their own id."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = 20.0
# Of each sidecar whose test does not say it itself.
WORKERS = os.environ.get("TULLE_WORKERS", "1")
# The programs under test are built with a sanitizer.
SANITIZED = "ASAN_OPTIONS" in os.environ or "TSAN_OPTIONS" in os.environ


def binary(label):
    """The path of a built binary, as `sidecar/tulle-sidecar`: from Bazel's runfiles or from bazel-bin. None if it is not built."""
    name = os.path.basename(label)
    places = [os.environ.get(name.upper().replace("-", "_"), ""),
              os.path.join(os.environ.get("TEST_SRCDIR", ""), "tulle", label),
              os.path.join(ROOT, "bazel-bin", label)]
    return next((p for p in places if p and os.access(p, os.X_OK)), None)


def program(name):
    """The path of a system program, which may be in /usr/sbin."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


# Ports for programs of tests. Not among those that the kernel gives to connections (from 32768): one of them may take a port between
# its choice and its use. Each test process has blocks of its own, claimed by an abstract socket that ends with it.
_FIRST_PORT, _LAST_PORT, _BLOCK = 16000, 32000, 50
_claims = []
_ports = []


def _claim_block():
    for first in range(_FIRST_PORT, _LAST_PORT, _BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind("\0tulle-test-ports-%d" % first)
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        _ports.extend(range(first, first + _BLOCK))
        return
    raise AssertionError("no ports are left for tests")


def free_port():
    """A port that nobody has, and that was not given before."""
    while True:
        if not _ports:
            _claim_block()
        port = _ports.pop(0)
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
                return port
            except OSError:
                continue


def wait_until(condition, what, patience=PATIENCE):
    """Polls; the time is a limit for a broken run, not a measurement."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %d s in vain: %s" % (patience, what))
        time.sleep(0.01)


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


_libc = ctypes.CDLL(None)


def _end_with_parent():
    """In the child: the kernel ends it when the test is killed before it can clean up."""
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Child:
    """A process with its output in a file."""

    def __init__(self, argv, log, cwd=None, env=None):
        self.argv = argv
        self.log_path = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd,
                                            env={**os.environ, **(env or {})}, start_new_session=True,
                                            preexec_fn=_end_with_parent)

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def running(self):
        return self.process.poll() is None

    def wait_for_port(self, port):
        def ready():
            if not self.running():
                raise AssertionError("%s ended with %s:\n%s" % (self.argv[0], self.process.returncode, self.log()[-3000:]))
            return listening(port)
        wait_until(ready, "%s does not listen on %d:\n%s" % (self.argv[0], port, self.log()[-3000:]))

    def _memory(self, field):
        if SANITIZED:
            return 0.0  # A sanitizer's shadow says nothing about the program.
        with open("/proc/%d/status" % self.pid, encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))

    def memory_mib(self):
        return self._memory("VmRSS:")

    def peak_memory_mib(self):
        return self._memory("VmHWM:")

    def open_descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))

    def stop(self, sig=signal.SIGTERM):
        """Ends it; returns the exit code, negative for a signal."""
        if self.running():
            self.process.send_signal(sig)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode
