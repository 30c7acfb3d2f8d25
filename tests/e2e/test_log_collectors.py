"""Access logs at an OpenTelemetry collector, by gRPC and by HTTP: what a record says, and what a collector that is down costs."""
import threading
import time
from concurrent import futures

import grpc
import pytest

import bootstrap
import processes
import raw
from ads import Messages
from mesh import Mesh
from origin import reply
from test_tracing import PARENT, Collector as SpanCollector, HttpCollector, refusal, tracing

LOGS = "opentelemetry.proto.collector.logs.v1."
LOGGER = bootstrap.TYPE + "extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"
POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all}
spec:
  targetRef: {kind: Mesh}
  accessLog: {format: %s, collector: "127.0.0.1:%d", protocol: %s}
"""


def records_of(request):
    """[(attributes of the resource, record)]."""
    return [(values_of(part.resource.attributes), record) for part in request.resource_logs for scope in part.scope_logs for record in scope.log_records]


def values_of(attributes):
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


class LogCollector:
    """Receives log records by OTLP over gRPC, as any collector does."""

    def __init__(self, folder, port=0):
        self.request_type = Messages(folder).type(LOGS + "ExportLogsServiceRequest")
        self.records, self.lock, self.code, self.metadata = [], threading.Lock(), None, {}
        handler = grpc.unary_unary_rpc_method_handler(self._export, self.request_type.FromString, lambda _: b"")
        self.server = grpc.server(futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(LOGS + "LogsService", {"Export": handler})])
        self.port = self.server.add_insecure_port("127.0.0.1:%d" % port)
        self.server.start()

    def _export(self, request, context):
        if self.code:
            context.abort(self.code, "not today")
        with self.lock:
            self.metadata = dict(context.invocation_metadata())
            self.records += records_of(request)

    def wait_for(self, count):
        processes.wait_until(lambda: len(self.records) >= count, "log records at the collector", 60)  # the exporter waits up to 30 s after failures
        with self.lock:
            return list(self.records)


@pytest.fixture(name="collector")
def fixture_collector(tmp_path):
    made = LogCollector(tmp_path)
    yield made
    made.server.stop(0)


def log_to(cluster="collector", **fields):
    if "http_service" not in fields and "common_config" not in fields:
        fields["grpc_service"] = {"envoy_grpc": {"cluster_name": cluster}, "initial_metadata": [{"key": "tenant", "value": "shop"}]}
    return [{"name": "log", "typed_config": {"@type": LOGGER, **fields}}]


def listed(**fields):
    return {"values": [{"key": key, "value": {"string_value": value}} for key, value in fields.items()]}


def start(run_sidecar, origin, collector_port, log, http2=True, **options):
    port = processes.free_port()
    sidecar = run_sidecar(
        [bootstrap.listener(port, bootstrap.connection_manager(None, codec="HTTP1", access_log=log, **options))],
        [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("collector", [collector_port], http2=http2)])
    return sidecar, port


def metric(sidecar, name, **labels):
    return sidecar.metrics().get((name, frozenset(labels.items())), 0)


def test_records_of_requests(run_sidecar, make_origin, collector):
    origin = make_origin(lambda request, sock: reply(status="500 Broken") if request.path == "/broken" else reply())
    log = log_to(body={"string_value": "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% \"%REQ(USER-AGENT)%\"\n"},
                 attributes=listed(code="%RESPONSE_CODE%", host="%REQ(:AUTHORITY)%", absent="%REQ(X-NONE)%"),
                 resource_attributes=listed(**{"service.name": "shop", "region": "eu"}))
    sidecar, port = start(run_sidecar, origin, collector.port, log, **tracing(sampling=0))
    began = time.time_ns()
    assert raw.get(port, "/fine", headers=[("traceparent", PARENT + "00"), ("user-agent", "a\"b\u00fc")]).status == 200
    assert raw.get(port, "/broken").status == 500
    (resource, fine), (_, broken) = collector.wait_for(2)
    assert resource["service.name"] == "shop" and resource["region"] == "eu" and resource["telemetry.sdk.name"] == "tulle"
    assert collector.metadata["tenant"] == "shop"
    assert fine.body.string_value == r'GET /fine 200 "a\"b\xfc"'
    assert values_of(fine.attributes) == {"code": 200, "host": "test.local"}
    assert (fine.severity_text, fine.severity_number) == ("INFO", 9) and (broken.severity_text, broken.severity_number) == ("ERROR", 17)
    assert began <= fine.time_unix_nano <= fine.observed_time_unix_nano <= time.time_ns()
    assert fine.trace_id.hex() == PARENT[3:35] and fine.span_id == b"" and len(broken.trace_id) == 16
    processes.wait_until(lambda: metric(sidecar, "tulle_access_log_sent_records_total") == 2, "records that were accepted", 10)


def test_a_record_names_the_span_of_its_request(run_sidecar, origin, collector, tmp_path):
    spans = SpanCollector(tmp_path)
    port = processes.free_port()
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(None, codec="HTTP1", access_log=log_to(), **tracing("spans")))],
                [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("collector", [collector.port], http2=True),
                 bootstrap.cluster("spans", [spans.port], http2=True)])
    raw.get(port, "/")
    server = spans.wait_for(2)[0][1]
    [(_, record)] = collector.wait_for(1)
    spans.server.stop(0)
    assert (record.trace_id, record.span_id, record.flags & 1) == (server.trace_id, server.span_id, 1)
    assert not record.HasField("body")


def test_records_by_http(run_sidecar, origin, tmp_path):
    http = HttpCollector()
    http.answers.append((503, {"retry-after": "0"}))
    log = log_to(http_service={"http_uri": {"uri": "http://logs.test", "cluster": "collector", "timeout": "1s"}},
                 body={"kvlist_value": listed(code="%RESPONSE_CODE%", method="%REQ(:METHOD)%")})
    _, port = start(run_sidecar, origin, http.port, log, http2=False)
    raw.get(port, "/")
    posts = http.wait_for(2)
    http.stop()
    assert [post[0] for post in posts] == [503, 200]
    _, path, headers, body = posts[1]
    assert path == "/v1/logs" and headers["content-type"] == "application/x-protobuf" and headers["host"] == "logs.test"
    [(_, record)] = records_of(Messages(tmp_path).type(LOGS + "ExportLogsServiceRequest").FromString(body))
    assert values_of(record.body.kvlist_value.values) == {"code": 200, "method": "GET"}


def test_fault_87_a_collector_of_logs_that_is_down_costs_requests_nothing(run_sidecar, origin, tmp_path):
    gone = processes.free_port()
    log = log_to(attributes=listed(path="%REQ(:PATH)%"))
    sidecar, port = start(run_sidecar, origin, gone, log)
    path = "/" + "x" * 4000
    with raw.Raw(port) as client:
        for _ in range(600):
            client.send(("GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path).encode())
            assert client.response().status == 200
    dropped = lambda: metric(sidecar, "tulle_access_log_dropped_lines_total", reason="queue_full")
    processes.wait_until(lambda: dropped() > 0, "records that were dropped", 20)
    late = LogCollector(tmp_path, gone)
    # More may be dropped until the exporter tries again; none is lost without being counted.
    processes.wait_until(lambda: len(late.records) + dropped() == 600, "every record is sent or counted as dropped", 100)
    assert len(late.records) > 100
    late.server.stop(0)


def test_a_collector_that_refuses(run_sidecar, origin, collector):
    collector.code = grpc.StatusCode.INVALID_ARGUMENT
    sidecar, port = start(run_sidecar, origin, collector.port, log_to())
    raw.get(port, "/")
    processes.wait_until(lambda: metric(sidecar, "tulle_access_log_dropped_lines_total", reason="refused") == 1, "a refused record", 10)


@pytest.mark.parametrize("fields,where", [
    ({"grpc_service": {}}, "grpc_service.envoy_grpc"),
    ({"common_config": {}}, "exactly one of grpc_service"),
    ({"grpc_service": {"envoy_grpc": {"cluster_name": "collector"}}, "common_config": {"grpc_service": {"envoy_grpc": {"cluster_name": "collector"}}}},
     "exactly one of grpc_service"),
    ({"http_service": {"http_uri": {"uri": "nowhere", "cluster": "collector"}}}, "http_service.http_uri.uri"),
    ({"body": {"int_value": "3"}}, "body: must be a string_value or a kvlist_value"),
    ({"body": {"string_value": "%NOPE%"}}, "%NOPE%"),
    ({"attributes": {"values": [{"key": "a", "value": {"array_value": {}}}]}}, "attributes.values[0].value: must be a string_value"),
    ({"attributes": {"values": [{"value": {"string_value": "x"}}]}}, "attributes.values[0].key: is required"),
    ({"log_name": "x", "nonsense": 1}, "nonsense"),
])
def test_wrong_loggers_are_refused(tmp_path, fields, where):
    log = [{"name": "log", "typed_config": {"@type": LOGGER, **fields}}]
    if not any(each.endswith(("service", "config")) for each in fields):
        log = log_to(**fields)
    assert where in refusal(tmp_path, bootstrap.listener(processes.free_port(), bootstrap.connection_manager(None, access_log=log)))


@pytest.mark.parametrize("form", ["istio", "json"])
def test_a_policy_sends_the_logs_of_the_mesh(tmp_path, collector, form):
    mesh = Mesh(tmp_path)
    try:
        post, web = mesh.add("post"), mesh.add("web")
        mesh.apply(POLICY % (form, collector.port, "otlp"))

        def services():
            raw.get(web.outbound, "/page", host="post")
            return {resource["service.name"] for resource, _ in list(collector.records)} >= {"web", "post"}
        processes.wait_until(services, "records of both sidecars", 30)
        [record] = [record for resource, record in collector.records if resource["service.name"] == "post"][:1]
        assert post.origin.requests and record.severity_text == "INFO"
        if form == "istio":
            assert '"GET /page HTTP/1.1" 200 - via_upstream' in record.body.string_value
        else:
            got = values_of(record.attributes)
            assert (got["method"], got["path"], got["response_code"]) == ("GET", "/page", 200) and not record.HasField("body")
    finally:
        mesh.close()
