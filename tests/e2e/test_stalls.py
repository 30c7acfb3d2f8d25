"""A worker that does not answer: stopped by hand, as a callback that never ends would stop it."""
import contextlib
import ctypes
import os

import pytest

import bootstrap
import processes
import raw

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


def thread_of(sidecar, name):
    folder = "/proc/%d/task" % sidecar.pid
    for number in os.listdir(folder):
        with open("%s/%s/comm" % (folder, number), encoding="ascii") as comm:
            if comm.read().strip() == name:
                return int(number)
    raise AssertionError("no thread " + name)


@contextlib.contextmanager
def stopped(thread):
    """That thread alone does not run, as long as its process lives."""
    if _libc.ptrace(SEIZE, thread, None, None):
        pytest.skip("ptrace is not allowed here: %s" % os.strerror(ctypes.get_errno()))
    assert _libc.ptrace(INTERRUPT, thread, None, None) == 0
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        if _libc.ptrace(DETACH, thread, None, None):  # its process has ended, and waits for us to have seen it
            os.waitpid(thread, WALL)


def start(run_sidecar, origin, *arguments):
    port = processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1"))],
                          [bootstrap.cluster(ports=[origin.port])], *arguments)
    assert raw.get(port).status == 200
    return port, sidecar


def stalls(sidecar):
    return sidecar.metrics().get(("tulle_thread_stalls_total", frozenset({("thread", "worker-0")})), 0)


def test_fault_60_a_stalled_worker_is_counted_and_serves_when_it_goes_on(run_sidecar, origin):
    port, sidecar = start(run_sidecar, origin)
    assert stalls(sidecar) == 0
    with stopped(thread_of(sidecar, "worker-0")):
        processes.wait_until(lambda: stalls(sidecar) == 1, "the stall is counted")
    assert "worker-0 unresponsive for 200 ms" in sidecar.log()
    assert raw.get(port).status == 200
    assert sidecar.running()


def test_fault_60_a_worker_that_stalls_for_long_ends_the_process(run_sidecar, origin):
    _, sidecar = start(run_sidecar, origin, "--stall-limit", "1")
    sidecar.expected_to_end = True
    with stopped(thread_of(sidecar, "worker-0")):
        processes.wait_until(lambda: "worker-0 unresponsive for 1 s (--stall-limit): exiting to be restarted" in sidecar.log(), "it says so")
    assert sidecar.process.wait(processes.PATIENCE) == 70
