"""Sidecars share HTTP/2 connections among their users: whatever some of them cancel, no stream of another one ends."""
import threading
import time

import h2raw
import processes
import pytest
import raw
from hyperframe import frame as frames
from mesh import Mesh
from origin import reply
from test_mtls import two_hops

OTHERS, ATTACKERS, ROUNDS, BURST = 8, 6, 10, 80


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    yield mesh
    mesh.close()


def metrics(workload):
    from conftest import parse_metrics
    return parse_metrics(raw.get(workload.admin, "/stats/prometheus", host="localhost").body.decode()).items()


def cancel_many(port):
    """Bursts of requests that are cancelled when they have reached the server; a new connection for each."""
    for _ in range(ROUNDS):
        with h2raw.H2(port) as peer:
            opened = [peer.headers_frame(h2raw.request(path="/cancelled", authority="web")) for _ in range(BURST)]
            peer.send(*opened)
            time.sleep(0.03)
            peer.send(*[frames.RstStreamFrame(frame.stream_id, error_code=8) for frame in opened])
            peer.until(lambda: peer.server_settings)


def test_cancellations_of_some_end_no_stream_of_others(run_sidecar, authority, make_origin):
    release = threading.Event()

    def answer(request, _):
        release.wait(20 if request.path == "/slow" else 0.2)
        return reply()
    front, _, server = two_hops(run_sidecar, authority, make_origin(answer).port, http2=True)
    with h2raw.H2(front) as others:
        streams = [others.open(h2raw.request(path="/slow", authority="web")) for _ in range(OTHERS)]
        attackers = [threading.Thread(target=cancel_many, args=(front,)) for _ in range(ATTACKERS)]
        for thread in attackers:
            thread.start()
        for thread in attackers:
            thread.join()
        release.set()
        assert [others.status(stream) for stream in streams] == [200] * OTHERS
    values = server.metrics()
    cancelled = sum(value for (name, labels), value in values.items() if name == "istio_requests_total" and ("response_flags", "DC") in labels)
    assert cancelled > 500, "they have reached the server"
    assert values[("tulle_downstream_connections_accepted_total", frozenset())] < cancelled / 20, "connections are shared"
    broken = [value for (name, _), value in values.items() if name == "tulle_downstream_connections_broken_total"]
    assert not any(broken), "the server's limit on resets"


def test_a_flood_is_counted_and_logged_with_its_cause(mesh):
    web = mesh.add("web")
    with h2raw.H2(web.inbound) as peer:
        peer.raw(b"\0\0\0\xfa\0\0\0\0\0" * 5000)  # frames of an unknown type
        assert peer.until(lambda: peer.goaway is not None or peer.closed)
    cause = "http2.idle_frames_flood"

    def counted():
        return [labels for (name, labels), value in metrics(web)
                if name == "tulle_downstream_connections_broken_total" and value == 1 and ("cause", cause) in labels]
    labels = processes.wait_until(counted, "the flood is counted")[0]
    assert ("service", "web.default.svc.cluster.local") in labels
    line = processes.wait_until(lambda: next((line for line in web.sidecar.log().splitlines() if "connection ended" in line), None), "a line of the log")
    assert "DPE " + cause in line and "127.0.0.1" in line
