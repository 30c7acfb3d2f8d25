"""What a request says about itself and nobody believes, and retries that do not become a storm."""
import threading
import time

import bootstrap
import processes
import raw
from origin import reply


def test_fault_47_method_overrides_are_not_believed(run_sidecar, origin):
    port = processes.free_port()
    only_get = bootstrap.rbac({"get": {"permissions": [{"header": {"name": ":method", "string_match": {"exact": "GET"}}}],
                                       "principals": [{"any": True}]}})
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1", filters=[only_get]))],
                [bootstrap.cluster(ports=[origin.port])])
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert raw.get(port, "/", method="POST", headers=[(name, "GET")]).status == 403
    assert raw.get(port, "/", headers=[("X-HTTP-Method-Override", "DELETE")]).status == 200
    assert [r.method for r in origin.requests] == ["GET"]


def test_fault_47_absolute_form_goes_by_its_own_authority_and_asterisk_is_for_options(run_sidecar, make_origin):
    port, mine, other = processes.free_port(), make_origin(), make_origin()
    hosts = [{"name": "mine", "domains": ["mine.test"], "routes": [bootstrap.route("mine")]},
             {"name": "other", "domains": ["other.test"], "routes": [bootstrap.route("other")]}]
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1", virtual_hosts=hosts))],
                [bootstrap.cluster("mine", [mine.port]), bootstrap.cluster("other", [other.port])])
    # RFC 9112, 3.2.2: the target's host counts, and is what goes on as Host.
    assert raw.get(port, "http://other.test/a", host="mine.test").status == 200
    assert mine.requests == [] and other.requests[0].path == "/a" and other.requests[0].header("host") == ["other.test"]
    assert raw.get(port, "*", host="mine.test", method="OPTIONS").status in (200, 404)
    assert raw.get(port, "*", host="mine.test", method="GET").status == 400


def test_fault_75_retries_stay_within_their_budget(run_sidecar, make_origin):
    def fail(request, sock):
        time.sleep(0.02)
        return reply(status="503 Service Unavailable")
    port, origin = processes.free_port(), make_origin(fail)
    route = bootstrap.route(retry_policy={"retry_on": "5xx", "num_retries": 5, "retry_back_off": {
        "base_interval": "0.001s", "max_interval": "0.002s"}})
    budget = {"thresholds": [{"retry_budget": {"budget_percent": {"value": 20}, "min_retry_concurrency": 3}}]}
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager([route], codec="HTTP1"))],
                [bootstrap.cluster(ports=[origin.port], circuit_breakers=budget)])
    clients, each = 50, 20

    def ask():
        with raw.Raw(port) as client:
            for _ in range(each):
                client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.response().status == 503
    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clients * each <= len(origin.requests) <= 1.35 * clients * each
