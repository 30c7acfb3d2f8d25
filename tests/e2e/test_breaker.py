"""The circuit breaker of an endpoint, as a caller and the endpoint see it."""
import threading
import time

import bootstrap
import processes
import pytest
import raw
from origin import reply

GATEWAY = {"enforcing_consecutive_5xx": 0, "consecutive_gateway_failure": 5, "enforcing_consecutive_gateway_failure": 100, "max_ejection_percent": 100}


def outlier(open_for, **more):
    """As the control plane writes it: gateway errors, all endpoints may open, no panic."""
    return {"outlier_detection": {**GATEWAY, "base_ejection_time": open_for, "max_ejection_time": "60s", **more},
            "common_lb_config": {"healthy_panic_threshold": {"value": 0}}}


@pytest.fixture
def failing(make_origin):
    """An origin that answers `status`."""
    origin = make_origin()
    origin.status = "503 Service Unavailable"
    origin.answer = lambda request, sock: reply(b"", origin.status)
    return origin


def openings(sidecar):
    """By cause."""
    return {dict(labels)["cause"]: value for (name, labels), value in sidecar.metrics().items()
            if name == "tulle_breaker_opened_total" and ("service", "origin") in labels}


def burst(port, clients, requests):
    """Statuses of clients * requests requests on as many connections at once."""
    statuses = []

    def client():
        for _ in range(requests):
            statuses.append(raw.get(port).status)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def test_it_opens_after_failures_in_a_row(make_proxy, failing):
    proxy = make_proxy(failing, cluster=outlier("60s"))
    assert [raw.get(proxy.port).status for _ in range(20)] == [503] * 20
    assert len(failing.requests) == 5, "an open breaker lets nothing pass"
    [(labels, state)] = [(dict(labels), value) for (name, labels), value in proxy.sidecar.metrics().items() if name == "circuit_breaker_state"]
    assert state == 2 and labels["endpoint"] == "127.0.0.1:%d" % failing.port and labels["service"] == "origin"
    assert openings(proxy.sidecar) == {"server_error": 1}


def test_each_opening_is_counted_with_its_cause(run_sidecar):
    port, dead = processes.free_port(), processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(ports=[dead], **outlier("0.2s"))])
    assert openings(sidecar) == {}
    assert [raw.get(port).status for _ in range(5)] == [503] * 5
    assert openings(sidecar) == {"connect_failed": 1}
    processes.wait_until(lambda: raw.get(port).status == 503 and openings(sidecar) == {"connect_failed": 2}, "the trial fails")
    causes = {dict(labels)["cause"]: value for (name, labels), value in sidecar.metrics().items() if name == "tulle_failures_total"}
    assert causes["connect_failed"] == 6 and set(causes) <= {"connect_failed", "breaker_open"}, causes


def test_a_good_answer_in_between_keeps_it_closed(make_proxy, failing):
    proxy = make_proxy(failing, cluster=outlier("60s"))
    for _ in range(4):
        failing.status = "503 Service Unavailable"
        assert [raw.get(proxy.port).status for _ in range(4)] == [503] * 4
        failing.status = "200 OK"
        assert raw.get(proxy.port).status == 200


@pytest.mark.parametrize("counts_all,reached", [(False, 20), (True, 5)])
def test_other_server_errors_count_only_if_asked_for(make_proxy, failing, counts_all, reached):
    failing.status = "500 Internal Server Error"
    options = outlier("60s", enforcing_consecutive_5xx=100) if counts_all else outlier("60s")
    proxy = make_proxy(failing, cluster=options)
    for _ in range(20):
        raw.get(proxy.port)
    assert len(failing.requests) == reached


def test_what_cannot_be_reached_is_left_alone_too(make_proxy, run_sidecar, origin):
    port, dead = processes.free_port(), processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(ports=[origin.port, dead], **outlier("60s"))])
    statuses = [raw.get(port).status for _ in range(60)]
    assert statuses.count(503) == 5 and statuses[20:] == [200] * 40


def test_half_open_is_one_request_over_all_workers(run_sidecar, failing):
    """50 clients at once, two workers: the endpoint sees one request per window, and its good answer closes the breaker."""
    port = processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(ports=[failing.port], **outlier("1s"))], "--workers", "2")
    processes.wait_until(lambda: raw.get(port).status == 503 and len(failing.requests) >= 5, "it does not open")
    seen = len(failing.requests)
    time.sleep(1.1)
    assert burst(port, 50, 2) == [503] * 100
    assert len(failing.requests) == seen + 1, "the trial failed: nothing else may pass"
    failing.status = "200 OK"
    time.sleep(2.1)
    processes.wait_until(lambda: raw.get(port).status == 200, "it does not close")
    assert burst(port, 50, 2) == [200] * 100


def test_our_own_refusals_do_not_count(make_proxy, make_origin):
    over = threading.Event()
    origin = make_origin(lambda request, sock: over.wait(20) and None or reply())
    limits = {"circuit_breakers": {"thresholds": [{"max_requests": 1}]}}
    proxy = make_proxy(origin, cluster={**outlier("60s"), **limits})
    with raw.Raw(proxy.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        processes.wait_until(lambda: len(origin.requests) == 1, "the request does not arrive")
        refused = [raw.get(proxy.port) for _ in range(10)]
        assert [r.status for r in refused] == [503] * 10 and refused[0].header("x-envoy-overloaded") == ["true"]
        over.set()
        assert client.response().status == 200
    assert raw.get(proxy.port).status == 200
