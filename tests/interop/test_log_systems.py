"""Access logs in other people's systems: sidecars send to a real OpenTelemetry collector, which understands the records and passes them on as they are.

Needs the collector: tests/interop/programs.py builds it, and ./test --full runs it. Without it the tests are skipped."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import processes  # noqa: E402
import programs  # noqa: E402
import raw  # noqa: E402
from mesh import Mesh  # noqa: E402
from test_log_collectors import LogCollector as Sink, POLICY, values_of  # noqa: E402
from test_tracing_systems import PARENT, TRACE, write  # noqa: E402

pytestmark = pytest.mark.skipif(bool(programs.missing("collector")), reason=programs.missing("collector"))


class Collector(processes.Child):
    """Receives OTLP over gRPC and HTTP on `otlp` and `http`, and passes logs on."""

    def __init__(self, folder, onward):
        self.otlp, self.http = processes.free_port(), processes.free_port()
        path = write(folder, "collector.json", {
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "127.0.0.1:%d" % self.otlp}, "http": {"endpoint": "127.0.0.1:%d" % self.http}}}},
            "exporters": {"otlp": {"endpoint": "127.0.0.1:%d" % onward, "tls": {"insecure": True}}},
            "service": {"pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["otlp"]}}, "telemetry": {"metrics": {"level": "none"}}}})
        super().__init__([programs.path("collector"), "--config", "file:" + path], str(folder / "collector.log"))
        self.wait_for_port(self.otlp)
        self.wait_for_port(self.http)


@pytest.mark.parametrize("form,protocol", [("istio", "otlp"), ("json", "otlp"), ("json", "otlp-http")])
def test_a_collector_passes_on_what_a_sidecar_logs(tmp_path, form, protocol):
    sink = Sink(tmp_path)
    collector, mesh = Collector(tmp_path, sink.port), Mesh(tmp_path)
    try:
        post, web = mesh.add("post"), mesh.add("web")
        mesh.apply(POLICY % (form, collector.otlp if protocol == "otlp" else collector.http, protocol))

        def found():
            raw.get(web.outbound, "/page", headers=[("traceparent", "00-%s-%s-01" % (TRACE, PARENT))], host="post")
            with sink.lock:
                return [record for resource, record in sink.records if resource["service.name"] == "post" and record.trace_id.hex() == TRACE]
        [record, *_] = processes.wait_until(found, "records of post at the end of the pipeline:\n%s" % collector.log()[-2000:], 30)
        assert post.origin.requests and record.severity_number == 9 and len(record.span_id) == 8
        if form == "istio":
            assert '"GET /page HTTP/1.1" 200 - via_upstream' in record.body.string_value
        else:
            assert values_of(record.attributes)["response_code"] == 200
    finally:
        mesh.close()
        collector.stop()
        sink.server.stop(0)
