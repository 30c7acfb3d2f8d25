"""Without a breaker policy no answer and no reset of one path takes a service away from the users of its other paths."""
import os

import bootstrap
import processes
import pytest
import raw
from mesh import Mesh
from origin import reply

# As the control plane writes it for a service without a breaker policy.
UNREACHABLE = {"split_external_local_origin_errors": True, "enforcing_consecutive_5xx": 0, "enforcing_consecutive_gateway_failure": 0,
               "consecutive_local_origin_failure": 5, "enforcing_consecutive_local_origin_failure": 100, "max_ejection_percent": 50,
               "base_ejection_time": "60s", "max_ejection_time": "60s"}
DEFAULT = {"outlier_detection": UNREACHABLE, "common_lb_config": {"healthy_panic_threshold": {"value": 0}}}
ROUNDS = 12


def answer(request, _):
    if request.path == "/reset":
        raise ConnectionAbortedError
    return reply(b"", "503 Service Unavailable") if request.path == "/fail" else reply()


def others_get(port, bad_path, host="origin"):
    """Statuses of another user's requests to /e, while five of bad_path come before each."""
    statuses = []
    for _ in range(ROUNDS):
        for _ in range(5):
            assert raw.get(port, bad_path, host=host).status == 503
        statuses += [raw.get(port, "/e", host=host).status for _ in range(3)]
    return statuses


@pytest.mark.parametrize("bad_path", ["/fail", "/reset"])
def test_a_bad_path_is_no_outage(make_proxy, make_origin, bad_path):
    proxy = make_proxy(make_origin(answer), cluster=DEFAULT)
    assert others_get(proxy.port, bad_path) == [200] * ROUNDS * 3


def test_a_bad_path_is_no_outage_in_a_mesh_without_policies(tmp_path):
    mesh = Mesh(tmp_path)
    try:
        post, caller = mesh.add("post"), mesh.add("caller")
        post.origin.answer = answer
        processes.wait_until(lambda: raw.get(caller.outbound, "/e", host="post").status == 200, "the mesh answers")
        for bad_path in ("/fail", "/reset"):
            assert others_get(caller.outbound, bad_path, host="post") == [200] * ROUNDS * 3
    finally:
        mesh.close()


def test_what_cannot_be_reached_is_left_out_but_never_more_than_half(run_sidecar, origin):
    port, dead = processes.free_port(), processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(ports=[origin.port, dead], **DEFAULT)])
    statuses = [raw.get(port).status for _ in range(60)]
    assert statuses.count(503) == 5 and statuses[20:] == [200] * 40


def test_the_last_endpoint_is_asked_however_often_it_could_not_be_reached(run_sidecar):
    port, later = processes.free_port(), processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager())], [bootstrap.cluster(ports=[later], **DEFAULT)])
    for _ in range(20):
        answered = raw.get(port)
        assert answered.status == 503 and b"circuit breaker" not in answered.body
    states = [value for (name, _), value in sidecar.metrics().items() if name == "circuit_breaker_state"]
    assert states == [0]


def test_an_open_breaker_says_so(run_sidecar, make_origin, tmp_path):
    """In the body, the access log, the metrics and the admin pages."""
    port, log = processes.free_port(), str(tmp_path / "access.log")
    failing = make_origin(lambda request, sock: reply(b"", "503 Service Unavailable"))
    policy = {"consecutive_gateway_failure": 1, "enforcing_consecutive_gateway_failure": 100, "enforcing_consecutive_5xx": 0,
              "max_ejection_percent": 100, "base_ejection_time": "60s", "max_ejection_time": "60s"}
    access_log = [{"name": "log", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.access_loggers.file.v3.FileAccessLog", "path": log,
        "log_format": {"text_format_source": {"inline_string": "%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG% %RESPONSE_CODE_DETAILS%\n"}}}}]
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(access_log=access_log))],
                          [bootstrap.cluster(ports=[failing.port], **{**DEFAULT, "outlier_detection": policy})])
    raw.get(port)
    refused = raw.get(port)
    assert refused.status == 503 and b"circuit breaker open" in refused.body
    assert len(refused.header("date")) == 1

    def lines():
        with open(log, encoding="utf-8") as file:
            return file.read().splitlines()
    processes.wait_until(lambda: os.path.exists(log) and len(lines()) == 2, "the log is written")
    assert lines()[1] == "BO CircuitBreakerOpen circuit_breaker_open"
    metrics = {name: (dict(labels), value) for (name, labels), value in sidecar.metrics().items()
               if name == "circuit_breaker_state" or dict(labels).get("response_flags") == "BO"}
    assert metrics["circuit_breaker_state"][1] == 2
    assert metrics["istio_requests_total"][1] == 1
    assert b"failed_outlier_check" in sidecar.admin("/clusters").body
