"""Which endpoint gets a request, as callers and endpoints see it."""
import collections
import http.client
import socket
import time

import bootstrap
import processes
import pytest
import raw
from origin import reply

TYPE = bootstrap.TYPE


@pytest.fixture
def origins(make_origin):
    """Three origins that say who they are."""
    made = [make_origin() for _ in range(3)]
    for number, one in enumerate(made):
        one.answer = lambda request, sock, number=number: reply(b"%d" % number)
    return made


@pytest.fixture
def mesh(run_sidecar, origins):
    """mesh(cluster={...}, *arguments, **route action) -> port of a listener before the three origins."""
    def start(cluster=None, *arguments, **action):
        port = processes.free_port()
        start.sidecar = run_sidecar(
            [bootstrap.listener(port, bootstrap.connection_manager([bootstrap.route(**action)]))],
            [bootstrap.cluster(ports=[o.port for o in origins], **(cluster or {}))], *arguments)
        return port
    return start


def bodies(port, count, path="/", **options):
    return [raw.get(port, path, **options).body for _ in range(count)]


def hashed(*policies):
    return {"hash_policy": list(policies)}


RING = {"lb_policy": "RING_HASH"}


def test_requests_with_one_header_value_stay_at_one_endpoint(mesh):
    port = mesh(RING, **hashed({"header": {"header_name": "x-user"}}))
    where = {}
    for user in range(30):
        seen = set(bodies(port, 4, headers=[("x-user", "user-%d" % user)]))
        assert len(seen) == 1
        where[user] = seen.pop()
    assert len(set(where.values())) == 3, "all endpoints serve somebody"
    assert len(set(bodies(port, 40))) > 1, "requests without the header go anywhere"


def test_query_parameter_and_source_address(mesh):
    port = mesh(RING, **hashed({"query_parameter": {"name": "cart"}, "terminal": True}, {"connection_properties": {"source_ip": True}}))
    for cart in range(10):
        assert len(set(bodies(port, 3, "/?a=1&cart=%d" % cart))) == 1
    assert len({raw.get(port, "/?cart=%d" % cart).body for cart in range(30)}) == 3
    assert len(set(bodies(port, 10))) == 1, "one address, one endpoint"


def test_a_cookie_is_made_and_heeded(mesh):
    port = mesh(RING, **hashed({"cookie": {"name": "lb", "ttl": "3600s", "path": "/"}}))
    served = collections.Counter()
    for _ in range(12):
        first = raw.get(port)
        [cookie] = first.header("set-cookie")
        value, *attributes = cookie.split("; ")
        assert value.startswith('lb="') and attributes == ["Max-Age=3600", "Path=/", "HttpOnly"]
        served[first.body] += 1
        for _ in range(4):
            again = raw.get(port, headers=[("cookie", "other=1; " + value)])
            assert again.body == first.body and not again.header("set-cookie")
    assert len(served) > 1


def test_an_endpoint_that_goes_moves_only_its_own(mesh, origins):
    breaker = {"outlier_detection": {"enforcing_consecutive_5xx": 0, "consecutive_gateway_failure": 1, "enforcing_consecutive_gateway_failure": 100,
                                     "max_ejection_percent": 100, "base_ejection_time": "60s"},
               "common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
    retry = {"retry_on": "gateway-error", "num_retries": 2,
             "retry_host_predicate": [{"name": "p", "typed_config": {"@type": TYPE + "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]}
    port = mesh({**RING, **breaker}, **hashed({"header": {"header_name": "x-user"}}), retry_policy=retry)

    def at(user):
        answer = raw.get(port, headers=[("x-user", str(user))])
        assert answer.status == 200
        return answer.body
    before = {user: at(user) for user in range(40)}
    origins[1].answer = lambda request, sock: reply(b"", "503 Service Unavailable")
    after = {user: at(user) for user in range(40)}
    assert {user for user in before if before[user] != after[user]} == {user for user in before if before[user] == b"1"}


def test_a_relay_goes_by_its_callers_address(run_sidecar, origins):
    port = processes.free_port()
    relay = bootstrap.tcp_proxy()
    relay["typed_config"]["hash_policy"] = [{"source_ip": {}}]
    run_sidecar([bootstrap.listener(port, relay)], [bootstrap.cluster(ports=[o.port for o in origins], **RING)])

    def from_address(address):
        with socket.create_connection(("127.0.0.1", port), source_address=(address, 0)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            return answer.read()
    where = {}
    for last in range(1, 20):
        address = "127.0.0.%d" % last
        [where[address]] = {from_address(address) for _ in range(3)}
    assert len(set(where.values())) > 1


def peak_ewma(**options):
    return {"lb_policy": "LOAD_BALANCING_POLICY_CONFIG", "load_balancing_policy": {"policies": [{"typed_extension_config": {
        "name": "envoy.load_balancing_policies.peak_ewma",
        "typed_config": {"@type": TYPE + "extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma", **options}}}]}}


def test_peak_ewma_leaves_the_slow_alone(mesh, origins):
    port = mesh(peak_ewma(default_rtt="0.001s"))

    def slow(request, sock):
        time.sleep(0.2)
        return reply(b"0")
    origins[0].answer = slow
    counts = collections.Counter(bodies(port, 200))
    assert counts[b"0"] <= 3 and counts[b"1"] > 20 and counts[b"2"] > 20


def test_peak_ewma_is_not_drawn_by_fast_errors(mesh, origins):
    port = mesh(peak_ewma(default_rtt="0.001s"))
    origins[0].answer = lambda request, sock: reply(b"no", "503 Service Unavailable")
    counts = collections.Counter(bodies(port, 200))
    assert counts[b"no"] <= 3


def endpoints(ports, priority=0, weight=None, **more):
    group = {"priority": priority, "lb_endpoints": [{"endpoint": {"address": bootstrap.address(p)}} for p in ports], **more}
    if weight:
        group["load_balancing_weight"] = weight
    return group


def test_what_the_first_priority_cannot_take_goes_to_the_next(mesh, origins):
    breaker = {"enforcing_consecutive_5xx": 0, "consecutive_gateway_failure": 1, "enforcing_consecutive_gateway_failure": 100,
               "max_ejection_percent": 100, "base_ejection_time": "60s"}
    assignment = {"cluster_name": "origin", "endpoints": [endpoints([origins[0].port, origins[1].port]), endpoints([origins[2].port], 1)]}
    port = mesh({"load_assignment": assignment, "outlier_detection": breaker, "common_lb_config": {"healthy_panic_threshold": {"value": 0}}})
    assert b"2" not in bodies(port, 40)
    origins[0].answer = lambda request, sock: reply(b"no", "503 Service Unavailable")
    counts = collections.Counter(bodies(port, 400))
    assert counts[b"no"] == 1, "its breaker is open"
    assert 220 < counts[b"1"] < 340 and 60 < counts[b"2"] < 180, "half of the first priority takes 70 %%: %s" % counts
    origins[1].answer = origins[0].answer
    bodies(port, 10)
    assert set(bodies(port, 40)) == {b"2"}


def test_localities_take_their_weights(mesh, origins):
    assignment = {"cluster_name": "origin", "endpoints": [
        endpoints([origins[0].port, origins[1].port], weight=1, locality={"zone": "a"}), endpoints([origins[2].port], weight=3, locality={"zone": "b"})]}
    port = mesh({"load_assignment": assignment, "common_lb_config": {"locality_weighted_lb_config": {}}})
    counts = collections.Counter(bodies(port, 80))
    assert 58 <= counts[b"2"] <= 62 and abs(counts[b"0"] - counts[b"1"]) <= 2


def health_check(kind, **more):
    return {"timeout": "0.5s", "interval": "0.1s", "unhealthy_interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 2, "healthy_threshold": 2,
            **kind, **more}


def wait_for_health(sidecar, port, flags):
    line = "origin::127.0.0.1:%d::health_flags::%s" % (port, flags)
    processes.wait_until(lambda: line in sidecar.admin("/clusters").body.decode().splitlines(), "no line " + line)


def test_an_endpoint_that_fails_its_checks_is_left_alone(mesh, origins):
    """Checked once for both workers, by its own path; other requests say nothing about it."""
    sick = {}

    def answer(number):
        def say(request, sock):
            if request.path == "/healthz" and sick.get(number):
                return reply(b"", "500 Internal Server Error")
            return reply(b"%d" % number)
        return say
    for number, one in enumerate(origins):
        one.answer = answer(number)
    port = mesh({"health_checks": [health_check({"http_health_check": {"path": "/healthz", "host": "checked.test"}})]}, "--workers", "2")
    for one in origins:
        wait_for_health(mesh.sidecar, one.port, "healthy")
    assert set(bodies(port, 9)) == {b"0", b"1", b"2"}
    sick[1] = True
    wait_for_health(mesh.sidecar, origins[1].port, "/failed_active_hc")
    assert set(bodies(port, 30)) == {b"0", b"2"}
    gauges = {dict(labels)["endpoint"]: value for (name, labels), value in mesh.sidecar.metrics().items() if name == "tulle_endpoint_health"}
    assert gauges == {"127.0.0.1:%d" % one.port: float(n != 1) for n, one in enumerate(origins)}
    sick.clear()
    wait_for_health(mesh.sidecar, origins[1].port, "healthy")
    assert b"1" in bodies(port, 9)
    probe = next(r for r in origins[0].requests if r.path == "/healthz")
    assert probe.header("host") == ["checked.test"] and probe.header("user-agent") == ["tulle-health-check"]


def test_fault_55_an_endpoint_that_is_not_there_fails_its_checks(run_sidecar, origin):
    port, dead = processes.free_port(), processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())],
                          [bootstrap.cluster(ports=[origin.port, dead], health_checks=[health_check({"tcp_health_check": {}})])])
    wait_for_health(sidecar, dead, "/failed_active_hc")
    assert [raw.get(port).status for _ in range(20)] == [200] * 20


def test_fault_74_when_none_is_healthy_nobody_is_asked_unless_panic_is_wished(run_sidecar, origin):
    origin.answer = lambda request, sock: reply(b"", "503 No" if request.path == "/healthz" else "200 OK")
    for threshold, status in ((0, 503), (50, 200)):
        port = processes.free_port()
        sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(
            ports=[origin.port], health_checks=[health_check({"http_health_check": {"path": "/healthz"}})],
            common_lb_config={"healthy_panic_threshold": {"value": threshold}})])
        wait_for_health(sidecar, origin.port, "/failed_active_hc")
        assert raw.get(port).status == status


def test_grpc_health_is_asked_by_its_protocol(run_sidecar):
    from concurrent import futures

    import grpc
    from grpc import StatusCode
    serving = {"shop": True}

    def check(request, context):
        if request not in (b"", b"\x0a\x04shop"):
            context.abort(StatusCode.NOT_FOUND, "unknown service")
        return b"\x08\x01" if serving["shop"] else b"\x08\x02"
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("grpc.health.v1.Health", {
        "Check": grpc.unary_unary_rpc_method_handler(check)})])
    backend = server.add_insecure_port("127.0.0.1:0")
    server.start()
    port = processes.free_port()
    try:
        sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(
            ports=[backend], http2=True, health_checks=[health_check({"grpc_health_check": {"service_name": "shop"}})])])
        wait_for_health(sidecar, backend, "healthy")
        processes.wait_until(lambda: any(name == "tulle_endpoint_health" and value == 1 for (name, _), value in sidecar.metrics().items()), "never checked")
        serving["shop"] = False
        wait_for_health(sidecar, backend, "/failed_active_hc")
        serving["shop"] = True
        wait_for_health(sidecar, backend, "healthy")
    finally:
        server.stop(None)
