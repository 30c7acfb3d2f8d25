"""Rate limits and injected faults, as a control plane configures them and as a user says them in a ResiliencePolicy."""
import time

import bootstrap
import processes
import raw
from mesh import Mesh

ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}


def limit(tokens, seconds=60, **more):
    return {"name": "envoy.filters.http.local_ratelimit", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit",
        "token_bucket": {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": "%ds" % seconds},
        "filter_enabled": ALWAYS, "filter_enforced": ALWAYS, **more}}


def fault(**fields):
    return {"name": "envoy.filters.http.fault", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.filters.http.fault.v3.HTTPFault", **fields}}


def log_to(path, form):
    return [{"name": "log", "typed_config": {
        "@type": bootstrap.TYPE + "extensions.access_loggers.file.v3.FileAccessLog", "path": path,
        "log_format": {"text_format_source": {"inline_string": form + "\n"}}}}]


def lines_of(path, count):
    def enough():
        try:
            with open(path, encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return None
        return lines if len(lines) >= count else None
    return processes.wait_until(enough, "access log lines")


def test_a_limit_is_held_by_two_workers_together(run_sidecar, origin, tmp_path):
    port, log = processes.free_port(), str(tmp_path / "access.log")
    sidecar = run_sidecar(
        [bootstrap.listener(port, bootstrap.connection_manager(
            codec="HTTP1", access_log=log_to(log, "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"),
            filters=[limit(20, enable_x_ratelimit_headers="DRAFT_VERSION_03", enable_retry_after_header=True,
                           response_headers_to_add=[{"header": {"key": "x-who", "value": "limit"}}])]))],
        [bootstrap.cluster(ports=[origin.port])], "--workers", "2")
    answers = [raw.get(port, "/") for _ in range(40)]
    assert [a.status for a in answers] == [200] * 20 + [429] * 20
    assert len(origin.requests) == 20
    first, last = answers[0], answers[-1]
    assert first.header("x-ratelimit-limit") == ["20"] and first.header("x-ratelimit-remaining") == ["19"]
    assert last.header("x-ratelimit-remaining") == ["0"] and last.header("x-who") == ["limit"]
    assert 1 <= int(last.header("retry-after")[0]) <= 3  # one of 20 a minute
    assert 55 <= int(last.header("x-ratelimit-reset")[0]) <= 60
    assert last.body == b"local_rate_limited"
    assert lines_of(log, 40)[-1] == "429 RL local_rate_limited"
    assert sidecar.running()


def test_limits_by_header_and_per_route(run_sidecar, origin):
    port = processes.free_port()
    by_user = {"rate_limits": [{"actions": [{"request_headers": {"header_name": "x-user", "descriptor_key": "user"}}]}]}
    routes = [bootstrap.route(match={"prefix": "/free"}), bootstrap.route(**by_user)]
    off = limit(1)["typed_config"]
    off.update(filter_enabled={"default_value": {"numerator": 0}})
    routes[0]["typed_per_filter_config"] = {"envoy.filters.http.local_ratelimit": off}
    bucket = {"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "60s"}
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(routes, codec="HTTP1", filters=[limit(
        3, always_consume_default_token_bucket=False, max_dynamic_descriptors=1000,
        descriptors=[{"entries": [{"key": "user", "value": ""}], "token_bucket": bucket}])]))],
                [bootstrap.cluster(ports=[origin.port])])

    def ask(path="/", **headers):
        return raw.get(port, path, headers=[("x-user", v) for v in headers.values()]).status
    assert [ask(user="a") for _ in range(3)] == [200, 200, 429]
    assert [ask(user="b") for _ in range(3)] == [200, 200, 429]
    assert [ask() for _ in range(4)] == [200, 200, 200, 429]
    assert [ask("/free", user="a") for _ in range(5)] == [200] * 5
    # Ten thousand names take no more room than a thousand, and the sidecar lives.
    with raw.Raw(port) as client:
        for i in range(10000):
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nx-user: u%d\r\n\r\n" % i)
            assert client.response().status == 200


def test_injected_faults(run_sidecar, origin, tmp_path):
    port, log = processes.free_port(), str(tmp_path / "access.log")
    whole = {"numerator": 100}
    routes = [bootstrap.route(match={"prefix": "/slow"}), bootstrap.route(match={"prefix": "/asked"}), bootstrap.route()]
    routes[0]["typed_per_filter_config"] = {"envoy.filters.http.fault": fault(
        delay={"fixed_delay": "0.3s", "percentage": whole}, abort={"http_status": 418, "percentage": whole})["typed_config"]}
    routes[1]["typed_per_filter_config"] = {"envoy.filters.http.fault": fault(
        abort={"header_abort": {}, "percentage": whole})["typed_config"]}
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(
        routes, codec="HTTP1", access_log=log_to(log, "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%"),
        filters=[fault(abort={"http_status": 503, "percentage": whole}, headers=[{"name": "x-fail", "string_match": {"exact": "yes"}}])]))],
                [bootstrap.cluster(ports=[origin.port])])
    assert raw.get(port, "/").status == 200
    assert raw.get(port, "/", headers=[("x-fail", "no")]).status == 200
    assert raw.get(port, "/", headers=[("x-fail", "yes")]).status == 503
    began = time.monotonic()
    assert raw.get(port, "/slow").status == 418
    assert time.monotonic() - began >= 0.3
    assert raw.get(port, "/asked").status == 200
    assert raw.get(port, "/asked", headers=[("x-envoy-fault-abort-request", "507")]).status == 507
    grpc = raw.get(port, "/asked", headers=[("content-type", "application/grpc"), ("x-envoy-fault-abort-grpc-request", "13")])
    assert grpc.status == 200 and grpc.header("grpc-status") == ["13"]
    assert len(origin.requests) == 3
    lines = set(lines_of(log, 7))
    assert {"/ 503 FI FaultInjected", "/slow 418 DI,FI DelayInjected,FaultInjected", "/ 200 - -"} <= lines


POLICY = """
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  rateLimit: {requests: 3, per: 1h, key: identity}
  fault:
    abort: {status: 503, percent: 100}
    headers: [{name: x-fail, value: "yes"}]
"""

BY_ROUTE = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post}
spec:
  parentRefs: [{kind: Service, name: post}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /a}}]
    backendRefs: [{name: post, port: 80}]
  - backendRefs: [{name: post, port: 80}]
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  rateLimit: {requests: 2, per: 1h, key: route}
"""


def test_a_resilience_policy_limits_each_caller_and_each_route_at_the_target(tmp_path):
    mesh = Mesh(tmp_path)
    try:
        post, caller, other = mesh.add("post"), mesh.add("caller"), mesh.add("other")
        mesh.tullectl("apply", "-f", "-", text=POLICY)

        def ask(client, path="/", **headers):
            return raw.get(client.outbound, path, host="post", headers=[("x-fail", v) for v in headers.values()])
        processes.wait_until(lambda: ask(caller, fail="yes").status == 503, "the policy is in force")
        # What failed on purpose had its token too, as the limit is held first.
        processes.wait_until(lambda: ask(caller).status == 429, "the caller's limit")
        refused = ask(caller)
        assert refused.status == 429 and refused.header("retry-after") and refused.header("x-ratelimit-limit") == ["3"]
        assert [ask(other).status for _ in range(4)] == [200, 200, 200, 429]
        assert "1h" in mesh.tullectl("get", "resiliencepolicy", "post", "-o", "yaml")

        before = len(post.origin.requests)
        mesh.tullectl("apply", "-f", "-", text=BY_ROUTE)
        processes.wait_until(lambda: ask(caller, "/b").status == 200, "the new limit is in force")
        processes.wait_until(lambda: ask(caller, "/b").status == 429, "the second route's limit")
        assert [ask(caller, "/a").status for _ in range(3)] == [200, 200, 429]
        assert len(post.origin.requests) - before == 4
    finally:
        mesh.close()
