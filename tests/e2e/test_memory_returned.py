"""What idle HTTP/2 connections cost, and that the memory of a peak goes back to the system."""
import resource

import pytest

import processes
from h2raw import H2, request

CONNECTIONS = 500
# nghttp2 alone takes 5 KiB: its session and the two tables of HPACK.
MOST_KIB_EACH = 8
PEAK_CONNECTIONS = 3000
# The flight recorder's ring, which is the requests' memory and not the connections'.
RECORDS = 4096


def resident_kib(sidecar):
    with open("/proc/%d/status" % sidecar.pid, encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


@pytest.fixture(autouse=True)
def many_descriptors():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def connect(proxy):
    """A connection that has had a request."""
    client = H2(proxy.port)
    assert client.status(client.open(request())) == 200
    return client


def test_an_idle_http2_connection_costs_little(make_proxy, origin):
    proxy = make_proxy(origin, codec="HTTP2")
    warm = [connect(proxy) for _ in range(20)]
    for _ in range(RECORDS):
        assert warm[0].status(warm[0].open(request())) == 200
    before = resident_kib(proxy.sidecar)
    idle = [connect(proxy) for _ in range(CONNECTIONS)]

    def each():
        return (resident_kib(proxy.sidecar) - before) / CONNECTIONS

    # The memory of streams is returned after a few seconds.
    processes.wait_until(lambda: each() <= MOST_KIB_EACH, "%.1f KiB for each idle HTTP/2 connection" % each())
    print("KiB for each idle HTTP/2 connection: %.1f" % each())
    for client in warm + idle:
        client.sock.close()


def test_memory_goes_back_after_a_peak(make_proxy, origin):
    proxy = make_proxy(origin, codec="HTTP2")
    with connect(proxy):
        before = resident_kib(proxy.sidecar)
    clients = [connect(proxy) for _ in range(PEAK_CONNECTIONS)]
    peak = resident_kib(proxy.sidecar)
    for client in clients:
        client.sock.close()
    rest = before + (peak - before) // 4
    processes.wait_until(lambda: resident_kib(proxy.sidecar) < rest, "the memory stays: %d KiB before, %d at the peak" % (before, peak), 60)
    print("KiB before %d, at the peak %d, after it %d" % (before, peak, resident_kib(proxy.sidecar)))
