"""W3C and B3 trace context continued or begun, a span a hop and an attempt by OTLP, and what strangers put into trace headers."""
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from concurrent import futures

import grpc
import pytest

import bootstrap
import processes
import raw
from ads import Messages
from mesh import Mesh
from origin import reply

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
TRACEPARENT = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$")


def get(port, path="/", headers=(), host="shop.test"):
    """`headers` as lines."""
    return raw.get(port, path, headers=[tuple(line.split(": ", 1)) for line in headers], host=host)


def tracing(cluster="collector", sampling=100, **more):
    return {"tracing": {
        "random_sampling": {"value": sampling}, "spawn_upstream_span": True, "provider": {
            "name": "envoy.tracers.opentelemetry", "typed_config": {
                "@type": bootstrap.TYPE + "config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": cluster}}, "service_name": "web"}}, **more}}


class Collector:
    """Receives OTLP over gRPC, as any collector does."""

    def __init__(self, folder, code=None, port=0):
        self.messages = Messages(folder)
        self.request_type = self.messages.type("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest")
        self.spans = []
        self.lock = threading.Lock()
        self.code = code
        handler = grpc.unary_unary_rpc_method_handler(self._export, self.request_type.FromString, lambda answer: answer or b"")
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
            "opentelemetry.proto.collector.trace.v1.TraceService", {"Export": handler})])
        self.port = self.server.add_insecure_port("127.0.0.1:%d" % port)
        self.server.start()

    def _export(self, request, context):
        with self.lock:
            for part in request.resource_spans:
                service = {a.key: a.value.string_value for a in part.resource.attributes}["service.name"]
                for scope in part.scope_spans:
                    self.spans += [(service, span) for span in scope.spans]
        if self.code:
            context.abort(self.code, "not today")
        return None

    def wait_for(self, count):
        processes.wait_until(lambda: len(self.spans) >= count, "spans at the collector", 20)
        with self.lock:
            return list(self.spans)


@pytest.fixture
def collector(tmp_path):
    made = Collector(tmp_path)
    yield made
    made.server.stop(0)


def start(run_sidecar, origin, collector_port, routes=None, **options):
    port = processes.free_port()
    sidecar = run_sidecar(
        [bootstrap.listener(port, bootstrap.connection_manager(routes, codec="HTTP1", **{**tracing(), **options}))],
        [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("collector", [collector_port], http2=True)])
    return sidecar, port


def attributes(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def micros(span):
    return (span.end_time_unix_nano - span.start_time_unix_nano) // 1000


def assert_mesh_time_adds_up(server, attempts, slept):
    """What the mesh added is all that the upstream did not take, of which it slept `slept` seconds; an attempt's part of it is within the attempt."""
    added = attributes(server)["tulle.mesh.microseconds"]
    upstreams = sum(micros(each) - attributes(each)["tulle.mesh.microseconds"] for each in attempts)
    assert abs(micros(server) - upstreams - added) < 20_000  # the event loop's clock stands still within a turn
    assert added <= micros(server) - slept * 1e6
    for each in attempts:
        assert 0 <= attributes(each)["tulle.mesh.microseconds"] <= micros(each)


def test_spans_of_a_request_with_a_retry(run_sidecar, make_origin, collector):
    answers = [reply(status="503 Service Unavailable"), reply()]

    def answer(*_):
        time.sleep(0.2)
        return answers.pop(0)
    origin = make_origin(answer)
    route = bootstrap.route(retry_policy={"retry_on": "5xx", "num_retries": 2})
    route["decorator"] = {"operation": "checkout"}
    _, port = start(run_sidecar, origin, collector.port, [route])
    response = get(port, "/pay?card=1234", headers=["traceparent: " + PARENT + "01", "tracestate: a=1"])
    assert response.status == 200
    spans = collector.wait_for(3)
    assert {service for service, _ in spans} == {"web"}
    server, first, second = [span for _, span in spans]
    assert (server.name, server.kind, server.trace_state) == ("checkout", 2, "a=1")
    assert server.trace_id.hex() == PARENT[3:35] and server.parent_span_id.hex() == PARENT[36:52]
    assert first.parent_span_id == second.parent_span_id == server.span_id
    got = attributes(server)
    assert got["url.path"] == "/pay" and got["http.response.status_code"] == 200 and got["response_flags"] == "-"
    assert got["url.query"] == "card=REDACTED" and b"1234" not in server.SerializeToString() + first.SerializeToString()
    assert (got["server.address"], got["network.protocol.version"], got["network.peer.address"]) == ("shop.test", "1.1", "127.0.0.1")
    assert_mesh_time_adds_up(server, [first, second], 0.4)
    assert [(event.name, attributes(event)) for event in server.events] == [("retry", {"retry.reason": "503"})]
    assert server.start_time_unix_nano <= server.events[0].time_unix_nano <= second.start_time_unix_nano
    assert attributes(first)["http.response.status_code"] == 503 and first.status.code == 2 and attributes(first)["error.type"] == "503"
    assert attributes(first)["network.peer.port"] == origin.port and attributes(first)["url.full"] == "http://shop.test/pay?card=REDACTED"
    assert attributes(second)["http.request.resend_count"] == 1 and second.status.code == 0
    # Each attempt told the upstream its own span.
    told = [TRACEPARENT.match(r.header("traceparent")[0]) for r in origin.requests]
    assert [t[1] for t in told] == [PARENT[3:35]] * 2
    assert [t[2] for t in told] == [first.span_id.hex(), second.span_id.hex()]
    assert server.start_time_unix_nano <= first.start_time_unix_nano <= second.end_time_unix_nano <= server.end_time_unix_nano


def test_a_grpc_call_is_named_after_its_method(run_sidecar, make_origin, collector):
    answer = reply(headers=[b"Content-Type: application/grpc", b"grpc-status: 14"])
    origin = make_origin(lambda request, sock: answer)
    _, port = start(run_sidecar, origin, collector.port)
    get(port, "/shop.Cart/Add?x=1", headers=["content-type: application/grpc", "te: trailers"])
    server, client = [span for _, span in collector.wait_for(2)]
    for span in (server, client):
        got = attributes(span)
        assert span.name == got["rpc.method"] == "shop.Cart/Add"
        assert (got["rpc.system.name"], got["rpc.response.status_code"], got["rpc.service"]) == ("grpc", "UNAVAILABLE", "shop.Cart")
        assert got["error.type"] == "UNAVAILABLE" and got["rpc.grpc.status_code"] == 14
        assert span.status.code == 2


def test_a_trace_that_is_not_sampled_has_no_spans_and_passes(run_sidecar, origin, collector):
    sidecar, port = start(run_sidecar, origin, collector.port, **tracing(sampling=0))
    get(port, "/", headers=["traceparent: " + PARENT + "00"])
    get(port, "/")
    get(port, "/", headers=["traceparent: " + PARENT + "01"])
    passed, begun, continued = [r.header("traceparent")[0] for r in origin.requests]
    assert passed == PARENT + "00"
    assert TRACEPARENT.match(begun)[3] == "00"
    assert TRACEPARENT.match(continued)[1] == PARENT[3:35] and continued.endswith("-01")
    assert {span.trace_id.hex() for _, span in collector.wait_for(2)} == {PARENT[3:35]}
    assert sidecar.running()


def test_fault_86_trace_headers_of_strangers_are_restarted_or_dropped(run_sidecar, origin, collector):
    _, port = start(run_sidecar, origin, collector.port)
    bad = [["traceparent: " + PARENT + "zz", "tracestate: a=1"],
           ["traceparent: " + PARENT + "01", "traceparent: " + PARENT + "01"],
           ["traceparent: " + "0" * 5000, "tracestate: a=1"],
           ["tracestate: a=1"]]
    for headers in bad:
        assert get(port, "/", headers=headers).status == 200
    for request in origin.requests:
        (parent,) = request.header("traceparent")
        assert TRACEPARENT.match(parent) and parent[3:35] != PARENT[3:35]
        assert request.header("tracestate") == []
    get(port, "/", headers=["traceparent: " + PARENT + "01", "tracestate: " + ",".join("k%d=v" % i for i in range(40)),
                            "baggage: " + "k=" + "v" * 9000])
    last = origin.requests[-1]
    assert last.header("traceparent")[0][3:35] == PARENT[3:35]
    assert last.header("tracestate") == [] and last.header("baggage") == []
    get(port, "/", headers=["traceparent: " + PARENT + "01", "tracestate: a=1,b=2", "baggage: user=7"])
    last = origin.requests[-1]
    assert last.header("tracestate") == ["a=1,b=2"] and last.header("baggage") == ["user=7"]
    # Ten megabytes do not get as far as that.
    assert get(port, "/", headers=["baggage: " + "x" * 10_000_000]).status == 431


B3_SPAN = "00f067aa0ba902b7"


def b3_of(request):
    """What a request says in x-b3-*: {end of the name: value}."""
    return {name: value for name in ("traceid", "spanid", "parentspanid", "sampled", "flags") for value in request.header("x-b3-" + name)}


def test_a_trace_of_b3_is_continued_in_b3_and_traceparent(run_sidecar, origin, collector):
    _, port = start(run_sidecar, origin, collector.port, **tracing(sampling=0))
    get(port, "/", headers=["b3: %s-%s-1-05e3ac9a4f6e3b90" % (PARENT[3:35], B3_SPAN)])
    server, client = [span for _, span in collector.wait_for(2)]
    assert server.trace_id.hex() == PARENT[3:35] and server.parent_span_id.hex() == B3_SPAN and client.parent_span_id == server.span_id
    told = origin.requests[-1]
    assert told.header("traceparent") == ["00-%s-%s-01" % (PARENT[3:35], client.span_id.hex())]
    assert told.header("b3") == ["%s-%s-1-%s" % (PARENT[3:35], client.span_id.hex(), server.span_id.hex())] and b3_of(told) == {}

    short = PARENT[19:35]
    get(port, "/", headers=["X-B3-TraceId: " + short, "X-B3-SpanId: " + B3_SPAN, "X-B3-Sampled: 1"])
    server, client = [span for _, span in collector.wait_for(4)][2:]
    assert server.trace_id.hex() == "0" * 16 + short and server.parent_span_id.hex() == B3_SPAN
    told = origin.requests[-1]
    assert b3_of(told) == {"traceid": short, "spanid": client.span_id.hex(), "parentspanid": server.span_id.hex(), "sampled": "1"}
    assert told.header("traceparent") == ["00-%s%s-%s-01" % ("0" * 16, short, client.span_id.hex())] and told.header("b3") == []

    # The caller has decided that there are no spans.
    for deny in (["b3: 0"], ["X-B3-Sampled: 0"], ["b3: %s-%s-0" % (PARENT[3:35], B3_SPAN)]):
        get(port, "/", headers=deny)
        told = origin.requests[-1]
        (parent,) = told.header("traceparent")
        assert parent.endswith("-00")
        assert told.header("b3") == ([parent[3:52] + "-0"] if deny[0].startswith("b3") else [])
        assert b3_of(told).get("sampled", "0") == "0"

    # traceparent prevails, and B3 tells the same trace.
    get(port, "/", headers=["traceparent: " + PARENT + "01", "b3: %s-%s-0" % ("1" * 32, B3_SPAN)])
    server, client = [span for _, span in collector.wait_for(6)][4:]
    assert server.trace_id.hex() == PARENT[3:35] and server.parent_span_id.hex() == PARENT[36:52]
    assert origin.requests[-1].header("b3") == ["%s-%s-1-%s" % (PARENT[3:35], client.span_id.hex(), server.span_id.hex())]
    assert len(collector.wait_for(6)) == 6


def test_fault_86_b3_headers_of_strangers_begin_a_new_trace(run_sidecar, origin, collector):
    _, port = start(run_sidecar, origin, collector.port)
    good = "b3: %s-%s-1" % (PARENT[3:35], B3_SPAN)
    several = ["X-B3-TraceId: " + PARENT[3:35], "X-B3-SpanId: " + B3_SPAN]
    for headers in ([good, good], [good + "x"], ["b3: " + "1" * 5000], ["b3: "], several + several[1:], several[:1], several + ["X-B3-Flags: 7"]):
        assert get(port, "/", headers=headers).status == 200
        told = origin.requests[-1]
        (parent,) = told.header("traceparent")
        assert TRACEPARENT.match(parent) and parent[3:35] != PARENT[3:35], headers
        assert told.header("b3") == [] and b3_of(told) == {}, headers


def late(sidecar):
    """Spans that were not made, since too many requests had failed."""
    return sidecar.metrics().get(("tulle_spans_dropped_total", frozenset({("reason", "late_limit")})), 0)


def start_late(run_sidecar, origin, collector_port, routes=None, **own):
    """A sidecar that samples nothing, with `own` in its filter chain's metadata."""
    port = processes.free_port()
    listener = bootstrap.listener(port, bootstrap.connection_manager(routes, codec="HTTP1", **tracing(sampling=0)))
    listener["filter_chains"][0]["metadata"] = {"filter_metadata": {"tulle": {"tracing": own}}}
    sidecar = run_sidecar([listener], [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("collector", [collector_port], http2=True)])
    return sidecar, port


def test_a_failed_request_that_is_not_sampled_is_reported_at_its_end(run_sidecar, make_origin, collector):
    origin = make_origin(lambda request, sock: reply(status="503 Service Unavailable") if request.path == "/fails" else reply())
    sidecar, port = start_late(run_sidecar, origin, collector.port, always_on_error=True)
    get(port, "/works")
    get(port, "/fails")
    server, client = [span for _, span in collector.wait_for(2)]
    begun = TRACEPARENT.match(origin.requests[-1].header("traceparent")[0])
    assert begun[3] == "00" and server.trace_id.hex() == begun[1] and server.span_id.hex() == begun[2]  # what the next hop was told
    assert server.parent_span_id == b"" and client.parent_span_id == server.span_id
    got = attributes(server)
    assert got["tulle.sampling.reason"] == "error" and got["http.response.status_code"] == 503 and got["url.path"] == "/fails"
    assert server.status.code == 2 and got["error.type"] == "503" and attributes(client)["network.peer.port"] == origin.port
    assert_mesh_time_adds_up(server, [client], 0)

    get(port, "/fails", headers=["traceparent: " + PARENT + "00"])
    server = collector.wait_for(4)[2][1]
    assert server.trace_id.hex() == PARENT[3:35] and server.parent_span_id.hex() == PARENT[36:52]
    assert origin.requests[-1].header("traceparent") == [PARENT + "00"]

    # An outage does not flood the collector.
    with raw.Raw(port) as client:
        for _ in range(200):
            client.send(b"GET /fails HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.response().status == 503
    sent = 2 * 202 - late(sidecar)
    assert len(collector.wait_for(sent)) == sent < 2 * 202


def test_a_failed_request_that_is_not_sampled_tells_of_all_its_attempts(run_sidecar, make_origin, collector):
    statuses = ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"]

    def answer(*_):
        time.sleep(0.1)
        return reply(status=statuses.pop(0))
    origin = make_origin(answer)
    _, port = start_late(run_sidecar, origin, collector.port, [bootstrap.route(retry_policy={"retry_on": "5xx", "num_retries": 2})], always_on_error=True)
    assert get(port, "/fails").status == 504
    server, *attempts = [span for _, span in collector.wait_for(4)]
    assert [attributes(each)["http.response.status_code"] for each in attempts] == [502, 503, 504]
    assert [attributes(each).get("http.request.resend_count", 0) for each in attempts] == [0, 1, 2]
    assert all(micros(each) >= 100_000 and each.parent_span_id == server.span_id for each in attempts)
    assert all(one.end_time_unix_nano <= other.start_time_unix_nano for one, other in zip(attempts, attempts[1:]))
    assert [(event.name, attributes(event)) for event in server.events] == [
        ("retry", {"retry.reason": "502"}), ("retry", {"retry.reason": "503"}),
        ("retry refused", {"retry.reason": "504", "retry.refusal": "no retries left"})]
    assert_mesh_time_adds_up(server, attempts, 0.3)


def test_a_slow_request_that_is_not_sampled_is_reported_at_its_end(run_sidecar, make_origin, collector):
    def answer(request, _):
        time.sleep(0.3 if request.path == "/slow" else 0)
        return reply()
    origin = make_origin(answer)
    _, port = start_late(run_sidecar, origin, collector.port, slower_than_ms=200)
    get(port, "/slow")
    server, _ = [span for _, span in collector.wait_for(2)]
    assert attributes(server)["tulle.sampling.reason"] == "slow" and attributes(server)["url.path"] == "/slow"
    assert server.end_time_unix_nano - server.start_time_unix_nano > 200_000_000 and server.status.code == 0


def refusal(folder, listener):
    """What a sidecar says of a bootstrap file with this listener, which it refuses."""
    path = str(folder / "refused.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(bootstrap.bootstrap([listener], [bootstrap.cluster(), bootstrap.cluster("collector")], processes.free_port()), file)
    done = subprocess.run([Mesh.binary("sidecar/tulle-sidecar"), "-c", path], capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode != 0
    return done.stderr


def test_wrong_tracing_metadata_is_refused(tmp_path):
    port = processes.free_port()
    for own, where in (({"slower_than_ms": "long"}, "tracing.slower_than_ms"), ({"always_on_error": 1}, "tracing.always_on_error"),
                       ({"traces_per_second": 0.5}, "tracing.traces_per_second"), ("x", "filter_metadata.tulle.tracing: must be")):
        listener = bootstrap.listener(port, bootstrap.connection_manager(None, **tracing()))
        listener["filter_chains"][0]["metadata"] = {"filter_metadata": {"tulle": {"tracing": own}}}
        assert where in refusal(tmp_path, listener)


class HttpCollector:
    """Receives POST as a collector does; `answers` are taken first, (status, headers) or with a body, then 200."""

    def __init__(self):
        self.posts, self.answers, self.connections = [], [], set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                body = self.rfile.read(int(self.headers["content-length"]))
                status, headers, *content = outer.answers.pop(0) if outer.answers else (200, {})
                outer.connections.add(self.client_address)
                outer.posts.append((status, self.path, self.headers, body))
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(b"".join(content)))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"".join(content))

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait_for(self, count):
        """The first posts; all that were made are waited for no further."""
        return processes.wait_until(lambda: self.posts[:count] if len(self.posts) >= count else None, "%d posts" % count, 20)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def http_collector():
    made = HttpCollector()
    yield made
    made.stop()


def otlp_http(port, path="/v1/traces"):
    return {"name": "envoy.tracers.opentelemetry", "typed_config": {
        "@type": bootstrap.TYPE + "config.trace.v3.OpenTelemetryConfig", "service_name": "web", "http_service": {
            "http_uri": {"uri": "http://127.0.0.1:%d%s" % (port, path), "cluster": "collector", "timeout": "10s"},
            "request_headers_to_add": [{"header": {"key": "x-tenant", "value": "shop"}}]}}}


def zipkin(port, **more):
    return {"name": "envoy.tracers.zipkin", "typed_config": {
        "@type": bootstrap.TYPE + "config.trace.v3.ZipkinConfig", "collector_cluster": "collector", "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON", "collector_hostname": "127.0.0.1:%d" % port, "shared_span_context": False, **more}}


def start_http(run_sidecar, origin, collector_port, provider):
    port = processes.free_port()
    settings = tracing()
    settings["tracing"]["provider"] = provider
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(None, codec="HTTP1", **settings))],
                          [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("collector", [collector_port])])
    return sidecar, port


def test_spans_go_by_otlp_over_http(run_sidecar, origin, http_collector, tmp_path):
    sidecar, port = start_http(run_sidecar, origin, http_collector.port, otlp_http(http_collector.port))
    get(port, "/a", headers=["traceparent: " + PARENT + "01"])
    _, path, headers, body = http_collector.wait_for(1)[0]
    assert (path, headers["content-type"], headers["x-tenant"]) == ("/v1/traces", "application/x-protobuf", "shop")
    assert headers["host"] == "127.0.0.1:%d" % http_collector.port
    request = Messages(tmp_path).type("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest").FromString(body)
    server, client = request.resource_spans[0].scope_spans[0].spans
    assert server.trace_id.hex() == PARENT[3:35] and client.parent_span_id == server.span_id
    # What is refused for now comes again, and on the same connection.
    http_collector.answers += [(503, {"retry-after": "1"}), (429, {})]
    get(port, "/b")
    posts = http_collector.wait_for(4)[1:]
    assert [status for status, *_ in posts] == [503, 429, 200] and len({body for *_, body in posts}) == 1
    assert len(http_collector.connections) == 1
    processes.wait_until(lambda: sidecar.metrics().get(("tulle_spans_sent_total", frozenset())) == 4, "four spans are counted", 10)
    # What is refused for good is dropped.
    http_collector.answers += [(400, {})]
    get(port, "/c")
    processes.wait_until(lambda: sidecar.metrics().get(("tulle_spans_dropped_total", frozenset({("reason", "refused")}))) == 2, "two are dropped", 10)


def test_spans_go_to_zipkin(run_sidecar, origin, http_collector):
    _, port = start_http(run_sidecar, origin, http_collector.port, zipkin(http_collector.port))
    get(port, "/a", headers=["b3: %s-%s-1" % (PARENT[3:35], B3_SPAN)])
    _, path, headers, body = http_collector.wait_for(1)[0]
    assert (path, headers["content-type"]) == ("/api/v2/spans", "application/json")
    server, client = json.loads(body)
    assert server["traceId"] == client["traceId"] == PARENT[3:35]
    assert (server["parentId"], client["parentId"]) == (B3_SPAN, server["id"])
    assert (server["kind"], client["kind"]) == ("SERVER", "CLIENT") and server["name"] == "GET"
    assert client["remoteEndpoint"] == {"ipv4": "127.0.0.1", "port": origin.port}
    assert server["timestamp"] <= client["timestamp"] and server["duration"] >= client["duration"] >= 1
    assert server["tags"]["http.response.status_code"] == "200" and server["tags"]["url.path"] == "/a"
    assert origin.requests[-1].header("b3")[0].split("-")[1] == client["id"]


def test_collectors_by_http_that_cannot_work_are_refused(tmp_path):
    port = processes.free_port()
    for provider, where in ((zipkin(1, collector_endpoint_version="HTTP_PROTO"), "collector_endpoint_version: is not implemented: use HTTP_JSON"),
                            (zipkin(1, collector_endpoint="spans"), "collector_endpoint: must be a path"),
                            (zipkin(1, collector_cluster=""), "collector_cluster: is required")):
        settings = tracing()
        settings["tracing"]["provider"] = provider
        assert where in refusal(tmp_path, bootstrap.listener(port, bootstrap.connection_manager(None, **settings)))


def spend(port, count):
    with raw.Raw(port) as client:
        for _ in range(count):
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: " + b"x" * 200 + b"\r\n\r\n")
            assert client.response().status == 200


@pytest.mark.parametrize("protocol", ["otlp-http", "zipkin"])
def test_fault_87_a_mute_collector_by_http_costs_spans_and_no_request(run_sidecar, origin, protocol):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port_of_collector = listening.getsockname()[1]
        provider = zipkin(port_of_collector) if protocol == "zipkin" else otlp_http(port_of_collector)
        sidecar, port = start_http(run_sidecar, origin, port_of_collector, provider)
        spend(port, 3000)
        processes.wait_until(lambda: sidecar.metrics().get(("tulle_spans_dropped_total", frozenset({("reason", "queue_full")})), 0) > 0,
                             "spans are dropped and counted", 30)
        assert get(port, "/").status == 200


@pytest.mark.parametrize("kind", ["dead", "mute", "refusing"])
def test_fault_87_a_collector_that_fails_costs_spans_and_no_request(run_sidecar, origin, tmp_path, kind):
    listening = socket.create_server(("127.0.0.1", 0))
    port_of_collector = listening.getsockname()[1]
    refusing = None
    if kind == "dead":
        listening.close()
    elif kind == "refusing":
        refusing = Collector(tmp_path, grpc.StatusCode.PERMISSION_DENIED)
        port_of_collector = refusing.port
    sidecar, port = start(run_sidecar, origin, port_of_collector)
    spend(port, 3000)
    reason = "refused" if kind == "refusing" else "queue_full"

    def dropped():
        return sidecar.metrics().get(("tulle_spans_dropped_total", frozenset({("reason", reason)})), 0)
    processes.wait_until(lambda: dropped() > 0, "spans are dropped and counted", 30)
    spend(port, 3000)
    assert get(port, "/").status == 200
    listening.close()
    if refusing:
        refusing.server.stop(0)


def api(mesh, path):
    with open(mesh.path("control", "admin.json"), encoding="utf-8") as file:
        admin = json.load(file)
    context = ssl.create_default_context(cadata=admin["ca"])
    context.check_hostname = False
    request = urllib.request.Request(admin["server"] + path, headers={"Authorization": "Bearer " + admin["credential"]})
    with urllib.request.urlopen(request, context=context, timeout=10) as response:
        return json.load(response)


def test_a_policy_sends_failed_requests_that_are_not_sampled_to_zipkin(tmp_path, http_collector):
    mesh = Mesh(tmp_path)
    try:
        post, caller = mesh.add("post"), mesh.add("caller")
        post.origin.answer = lambda request, sock: reply(status="500 Broken") if request.path == "/broken" else reply()
        mesh.apply("""
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all}
spec:
  targetRef: {kind: Mesh}
  tracing: {sampling: 0.0001, protocol: zipkin, collector: "127.0.0.1:%d/spans", slowerThan: 10s, rateLimit: 5}
""" % http_collector.port)

        def reported():
            # Until the policy is in force, failures go to the control plane.
            get(caller.outbound, "/broken", host="post", headers=["traceparent: " + PARENT + "00"])
            spans = [span for _, path, _, body in http_collector.posts if path == "/spans" for span in json.loads(body)]
            return spans if {span["localEndpoint"]["serviceName"] for span in spans} == {"caller", "post"} else None
        spans = processes.wait_until(reported, "spans of both sidecars at Zipkin", 30)
        assert {span["traceId"] for span in spans} == {PARENT[3:35]}
        assert {span["tags"]["tulle.sampling.reason"] for span in spans if span["kind"] == "SERVER"} == {"error"}
        sent = len(http_collector.posts)
        assert get(caller.outbound, "/works", host="post", headers=["traceparent: " + PARENT + "00"]).status == 200
        get(caller.outbound, "/broken", host="post", headers=["traceparent: " + PARENT + "00"])
        http_collector.wait_for(sent + 1)
        assert not any(span["tags"].get("url.path") == "/works" for _, _, _, body in http_collector.posts for span in json.loads(body))
    finally:
        mesh.close()


POLICY = """
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all}
spec:
  targetRef: {kind: Mesh}
  tracing: {sampling: 100}
  accessLog: {format: json}
"""


def test_all_hops_share_one_trace_whose_tree_the_control_plane_has(tmp_path):
    mesh = Mesh(tmp_path)
    try:
        post = mesh.add("post")
        caller = mesh.add("caller")
        mesh.tullectl("apply", "-f", "-", text=POLICY)

        def traced():
            get(caller.outbound, "/warm", host="post")
            return any(r.header("traceparent")[0].endswith("-01") for r in post.origin.requests if r.header("traceparent"))
        processes.wait_until(traced, "the policy is in force", 20)
        assert get(caller.outbound, "/a?secret=1", host="post", headers=["traceparent: " + PARENT + "01"]).status == 200

        def spans():
            try:
                found = api(mesh, "/v1/traces/" + PARENT[3:35])["spans"]
            except urllib.error.HTTPError:
                return None
            return found if len(found) == 4 else None
        found = processes.wait_until(spans, "four spans at the control plane", 20)
        tree = {s["spanId"]: s for s in found}
        leaf = post.origin.requests[-1].header("traceparent")[0][36:52]
        path = []
        at = tree[leaf]
        while at is not None:
            path.append((at["service"], at["kind"], at["reporter"].rsplit("/", 1)[1]))
            last, at = at, tree.get(at["parentSpanId"])
        assert path == [("post", "client", "post"), ("post", "server", "post"),
                        ("caller", "client", "caller"), ("caller", "server", "caller")]
        assert last["parentSpanId"] == PARENT[36:52]
        assert last["attributes"]["url.path"] == "/a"
        line = processes.wait_until(lambda: next((entry for entry in post.sidecar.log().splitlines() if '"path":"/a?secret=1"' in entry), None),
                                    "the JSON log line", 10)
        logged = json.loads(line)
        assert logged["trace_id"] == PARENT[3:35] and logged["response_code"] == 200 and logged["response_flags"] == "-"
    finally:
        mesh.close()
