"""Traces in other people's systems: sidecars send to an OpenTelemetry collector by each protocol that a TelemetryPolicy may name; the collector passes on to Jaeger,
whose query API returns the right tree.

Needs both programs: tests/interop/programs.py builds them, and ./test --full runs it. Without one the tests that need it are skipped."""
import json
import os
import re
import sys
import urllib.error
import urllib.request

import pytest
import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import processes  # noqa: E402
import programs  # noqa: E402
import raw  # noqa: E402
from mesh import Mesh  # noqa: E402
from origin import reply  # noqa: E402
from test_tracing import Collector as Sink  # noqa: E402

needs_jaeger = pytest.mark.skipif(bool(programs.missing("collector", "jaeger")), reason=programs.missing("collector", "jaeger"))
needs_collector = pytest.mark.skipif(bool(programs.missing("collector")), reason=programs.missing("collector"))

TRACE = "0af7651916cd43dd8448eb211c80319c"
FAILED = "4bf92f3577b34da6a3ce929d0e0e4736"  # another one
PARENT = "b7ad6b7169203331"
PASSED_ON = ("traceparent", "tracestate", "baggage", "x-request-id")  # by applications, as docs/tracing.md says
POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all}
spec:
  targetRef: {kind: Mesh}
  tracing: {sampling: 100, collector: "127.0.0.1:%d", protocol: %s}
"""
PROTOCOLS = ("otlp", "otlp-http", "zipkin")  # of a TelemetryPolicy


def write(folder, name, configuration):
    path = str(folder / name)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(configuration, file, indent=1)  # JSON is YAML
    return path


class Jaeger(processes.Child):
    """Receives spans on `ports`, by protocol, and answers queries on `api`; keeps traces in memory."""

    def __init__(self, folder):
        self.ports, self.api = {each: processes.free_port() for each in PROTOCOLS}, processes.free_port()
        path = write(folder, "jaeger.json", {
            "service": {"extensions": ["jaeger_storage", "jaeger_query"],
                        "pipelines": {"traces": {"receivers": ["otlp", "zipkin"], "exporters": ["jaeger_storage_exporter"]}},
                        "telemetry": {"metrics": {"level": "none"}}},
            "extensions": {"jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 1000}}}},
                           "jaeger_query": {"storage": {"traces": "memory"}, "http": {"endpoint": "127.0.0.1:%d" % self.api},
                                            "grpc": {"endpoint": "127.0.0.1:%d" % processes.free_port()}}},
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "127.0.0.1:%d" % self.ports["otlp"]},
                                                 "http": {"endpoint": "127.0.0.1:%d" % self.ports["otlp-http"]}}},
                          "zipkin": {"endpoint": "127.0.0.1:%d" % self.ports["zipkin"]}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}}})
        super().__init__([programs.path("jaeger"), "--config", path], str(folder / "jaeger.log"))
        for port in (*self.ports.values(), self.api):
            self.wait_for_port(port)

    def ask(self, path):
        """Data of an answer of the query API; None if it does not know."""
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/api/%s" % (self.api, path), timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            return None

    def wait_for_trace(self, count, trace=TRACE):
        """The trace, once it has that many spans."""
        def found():
            traces = self.ask("traces/" + trace)
            return traces[0] if traces and len(traces[0]["spans"]) >= count else None
        return processes.wait_until(found, "%d spans in Jaeger:\n%s" % (count, self.log()[-2000:]), 30)


def documented_configuration():
    """Of a collector."""
    with open(os.path.join(processes.ROOT, "docs", "observability.md"), encoding="utf-8") as file:
        [block] = re.findall(r"```yaml\n(receivers:.*?)```", file.read(), re.S)
    return block


class Collector(processes.Child):
    """An OpenTelemetry collector that receives spans on `ports`, by protocol, and passes them on, as the documentation configures it."""

    def __init__(self, folder, onward):
        self.ports = {each: processes.free_port() for each in PROTOCOLS}
        used = {"4317": self.ports["otlp"], "4318": self.ports["otlp-http"], "9411": self.ports["zipkin"], "14317": onward}
        text = re.sub(r"127\.0\.0\.1:(\d+)", lambda found: "127.0.0.1:%d" % used[found[1]], documented_configuration())
        configuration = yaml.safe_load(text)
        configuration["service"]["telemetry"] = {"metrics": {"level": "none"}}  # no port of its own
        path = write(folder, "collector.json", configuration)
        super().__init__([programs.path("collector"), "--config", "file:" + path], str(folder / "collector.log"))
        for port in self.ports.values():
            self.wait_for_port(port)


@pytest.fixture(name="jaeger")
def fixture_jaeger(tmp_path):
    made = Jaeger(tmp_path)
    yield made
    made.stop()


@pytest.fixture(name="sink")
def fixture_sink(tmp_path):
    """The end of a collector's pipeline that the test itself reads."""
    made = Sink(tmp_path)
    yield made
    made.server.stop(0)


@pytest.fixture(name="start_collector")
def fixture_start_collector(tmp_path):
    """start_collector(port): one that passes on to that port."""
    started = []

    def start(onward):
        started.append(Collector(tmp_path, onward))
        return started[-1]
    yield start
    for each in started:
        each.stop()


def call_on(workload, service):
    """An application that calls another service for each request, and passes the headers of the trace on."""
    def answer(request, _):
        headers = [(name, value) for name in PASSED_ON for value in request.header(name)]
        got = raw.get(workload.outbound, "/of" + request.path, headers=headers, host=service)
        return reply(got.body, "%d From %s" % (got.status, service))
    return answer


@pytest.fixture(name="start_mesh")
def fixture_start_mesh(tmp_path):
    """start_mesh(program, protocol) -> web, whose mesh sends its spans to the program by that protocol.

    web calls post, post calls image, which fails for paths that end with /broken."""
    mesh = Mesh(tmp_path)

    def start(program, protocol):
        image, post, web = mesh.add("image"), mesh.add("post"), mesh.add("web")
        post.origin.answer = call_on(post, "image")
        image.origin.answer = lambda request, sock: reply(b"", "500 Broken") if request.path.endswith("/broken") else reply()
        mesh.apply(POLICY % (program.ports[protocol], protocol))

        def traced(workload):
            return any(value.endswith("-01") for request in workload.origin.requests for value in request.header("traceparent"))

        def in_force():
            raw.get(web.outbound, "/warm", host="post")
            return traced(post) and traced(image)
        processes.wait_until(in_force, "the policy is in force everywhere", 20)
        return web
    yield start
    mesh.close()


def call(web, path, trace=TRACE):
    """The status of a call from web's application to post, in that trace."""
    return raw.get(web.outbound, path, headers=[("traceparent", "00-%s-%s-01" % (trace, PARENT))], host="post").status


def tags_of(span):
    return {tag["key"]: tag["value"] for tag in span["tags"]}


def spans_of(trace, service, kind):
    return [span for span in trace["spans"] if trace["processes"][span["processID"]]["serviceName"] == service and tags_of(span)["span.kind"] == kind]


def tree_of(trace):
    """[(depth, service, kind)] in the order of the tree; each level by time. Asserts that all spans are in it."""
    children = {}
    for span in trace["spans"]:
        assert len(span["references"]) == 1 and span["references"][0]["refType"] == "CHILD_OF", span
        children.setdefault(span["references"][0]["spanID"], []).append(span)
    lines = []

    def walk(parent, depth):
        for span in sorted(children.get(parent, []), key=lambda each: each["startTime"]):
            service = trace["processes"][span["processID"]]["serviceName"]
            lines.append((depth, service, tags_of(span)["span.kind"]))
            walk(span["spanID"], depth + 1)
    walk(PARENT, 0)
    assert len(lines) == len(trace["spans"]), trace
    return lines


PATH = [("web", "server"), ("web", "client"), ("post", "server"), ("post", "client"),
        ("post", "server"), ("post", "client"), ("image", "server"), ("image", "client")]


KINDS = {2: "server", 3: "client"}


@needs_collector
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_collector_passes_on_what_it_was_sent(start_collector, start_mesh, sink, protocol):
    web = start_mesh(start_collector(sink.port), protocol)
    assert call(web, "/page") == 200

    def spans():
        with sink.lock:
            found = [(service, span) for service, span in sink.spans if span.trace_id.hex() == TRACE]
        return found if len(found) >= len(PATH) else None
    found = processes.wait_until(spans, "%d spans behind the collector" % len(PATH), 20)
    by_parent = {span.parent_span_id.hex(): (service, span) for service, span in found}
    path, at = [], PARENT
    while at in by_parent:
        service, span = by_parent[at]
        path.append((service, KINDS[span.kind]))
        at = span.span_id.hex()
    assert path == PATH and len(found) == len(PATH)


@needs_jaeger
def test_jaeger_returns_the_tree_that_the_collector_has_passed_on(start_collector, start_mesh, jaeger):
    web = start_mesh(start_collector(jaeger.ports["otlp"]), "otlp")
    assert call(web, "/page") == 200
    trace = jaeger.wait_for_trace(len(PATH))
    # Each span is the parent of the next: the call to image is made within post's request.
    assert tree_of(trace) == [(depth, *each) for depth, each in enumerate(PATH)]
    [first], [last] = spans_of(trace, "web", "server"), spans_of(trace, "image", "client")
    assert first["operationName"] and tags_of(first)["http.request.method"] == "GET" and tags_of(first)["http.response.status_code"] == 200
    assert tags_of(first)["tulle.mesh.microseconds"] > 0
    assert tags_of(last)["http.response.status_code"] == 200
    assert not any(tags_of(span).get("error") for span in trace["spans"])
    instances = {tag["value"] for process in trace["processes"].values() for tag in process["tags"] if tag["key"] == "service.instance.id"}
    assert len(instances) == 3
    assert set(jaeger.ask("services")) >= {"web", "post", "image"}
    found = jaeger.ask("traces?service=image&limit=100&lookback=1h")
    assert TRACE in {each["traceID"] for each in found}


@needs_jaeger
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_jaeger_finds_a_failed_request_without_a_collector(start_mesh, jaeger, protocol):
    web = start_mesh(jaeger, protocol)
    assert call(web, "/page") == 200
    assert call(web, "/broken", FAILED) == 500
    trace = jaeger.wait_for_trace(len(PATH), FAILED)
    assert tree_of(trace) == [(depth, *each) for depth, each in enumerate(PATH)]
    assert all(tags_of(span)["error"] is True and tags_of(span)["otel.status_code"] == "ERROR" for span in trace["spans"])
    jaeger.wait_for_trace(len(PATH))
    # Not by error=true: Jaeger's memory takes that text for false.
    failed = jaeger.ask("traces?service=image&tags=%7B%22http.response.status_code%22%3A%22500%22%7D&limit=100&lookback=1h")
    assert [each["traceID"] for each in failed] == [FAILED]
