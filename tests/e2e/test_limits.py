"""Bulkheads: what one dependency may take of its caller, and what becomes of those that find no place."""
import threading

import bootstrap
import processes
import pytest
import raw
from origin import reply


def limits(**caps):
    return {"circuit_breakers": {"thresholds": [caps]}}


def used(sidecar, limit):
    """(used, allowed) of one limit of the cluster, as the metrics show them."""
    found = {}
    for (name, labels), value in sidecar.metrics().items():
        labels = dict(labels)
        if name == "tulle_upstream_limit" and labels["cluster"] == "origin" and labels["limit"] == limit:
            found[labels["kind"]] = value
    return found["used"], found["allowed"]


class Calls:
    """Requests of threads of their own, and what they got."""

    def __init__(self, port):
        self.port = port
        self.statuses = []
        self.threads = []

    def start(self, path="/"):
        self.threads.append(threading.Thread(target=self.call, args=(path,)))
        self.threads[-1].start()

    def call(self, path):
        answer = raw.get(self.port, path)
        self.statuses.append(answer.status)

    def join(self):
        for thread in self.threads:
            thread.join()


@pytest.fixture
def held(make_origin):
    """An origin that answers when it is let go."""
    origin = make_origin()
    origin.go = threading.Event()

    def answer(request, sock):
        origin.go.wait(20)
        return reply(b"ok")
    origin.answer = answer
    yield origin
    origin.go.set()


def test_who_waits_for_a_connection_is_counted_and_capped(make_proxy, held):
    proxy = make_proxy(held, cluster=limits(max_connections=1, max_pending_requests=1), one_worker=True)
    calls = Calls(proxy.port)
    calls.start()
    processes.wait_until(lambda: len(held.requests) == 1, "the first has not come")
    calls.start()
    processes.wait_until(lambda: used(proxy.sidecar, "pending_requests") == (1, 1), "the second does not wait")
    assert used(proxy.sidecar, "connections") == (1, 1)
    refused = raw.get(proxy.port)
    assert refused.status == 503
    held.go.set()
    calls.join()
    assert calls.statuses == [200, 200]
    assert used(proxy.sidecar, "pending_requests") == (0, 1)


def test_waiting_ends_at_the_connect_timeout(make_proxy, held):
    proxy = make_proxy(held, cluster={**limits(max_connections=1), "connect_timeout": "0.3s"}, one_worker=True)
    calls = Calls(proxy.port)
    calls.start()
    processes.wait_until(lambda: len(held.requests) == 1, "the first has not come")
    assert raw.get(proxy.port).status == 503
    held.go.set()
    calls.join()
    assert calls.statuses == [200] and len(held.requests) == 1


def test_waiting_ends_at_the_routes_timeout(run_sidecar, held):
    port = processes.free_port()
    routes = [bootstrap.route(match={"prefix": "/short"}, timeout="0.3s"), bootstrap.route()]
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(routes))],
                [bootstrap.cluster(ports=[held.port], **limits(max_connections=1), connect_timeout="15s")], "--workers", "1")
    calls = Calls(port)
    calls.start()
    processes.wait_until(lambda: len(held.requests) == 1, "the first has not come")
    assert raw.get(port, "/short").status == 504
    held.go.set()
    calls.join()
    assert calls.statuses == [200] and len(held.requests) == 1


def test_idle_connections_are_closed_beyond_their_number(make_proxy, held):
    own = {"metadata": {"filter_metadata": {"tulle": {"max_idle_connections": 2}}}}
    proxy = make_proxy(held, cluster=own)
    calls = Calls(proxy.port)
    for _ in range(6):
        calls.start()
    processes.wait_until(lambda: used(proxy.sidecar, "connections")[0] == 6, "not all are connected")
    held.go.set()
    calls.join()
    assert calls.statuses == [200] * 6
    processes.wait_until(lambda: used(proxy.sidecar, "connections")[0] == 2, "more than two stay idle")
