"""Collectors that are down, slow, or do not take everything: what requests notice of it, and what becomes of the spans."""
import threading

import grpc

import processes
import raw
from origin import reply
from test_tracing import Collector, HttpCollector, attributes, get, otlp_http, spend, start, start_http

TRACES = "opentelemetry.proto.collector.trace.v1."


def dropped(sidecar, reason):
    return sidecar.metrics().get(("tulle_spans_dropped_total", frozenset({("reason", reason)})), 0)


def sent(sidecar):
    return sidecar.metrics().get(("tulle_spans_sent_total", frozenset()), 0)


class HeldCollector(Collector):
    """Takes a request, and answers once it is released."""

    def __init__(self, folder):
        self.released, self.asked = threading.Event(), threading.Event()
        super().__init__(folder)

    def _export(self, request, context):
        self.asked.set()
        self.released.wait(60)
        return super()._export(request, context)


def test_fault_87_requests_do_not_wait_for_a_slow_collector(run_sidecar, origin, tmp_path):
    collector = HeldCollector(tmp_path)
    try:
        sidecar, port = start(run_sidecar, origin, collector.port)
        spend(port, 10)
        assert collector.asked.wait(20)
        # The collector has the first spans, and answers only after all of these.
        spend(port, 3000)
        assert sent(sidecar) == 0 and collector.spans == []
        collector.released.set()
        processes.wait_until(lambda: sent(sidecar) + dropped(sidecar, "queue_full") == 2 * 3010, "all spans were sent or counted", 30)
        assert sent(sidecar) == len(collector.spans) > 20
    finally:
        collector.released.set()
        collector.server.stop(0)


def test_fault_87_errors_reach_a_collector_that_was_down(run_sidecar, make_origin, tmp_path):
    origin = make_origin(lambda request, sock: reply(status="503 Service Unavailable") if request.path == "/fails" else reply())
    port_of_collector = processes.free_port()
    sidecar, port = start(run_sidecar, origin, port_of_collector)
    with raw.Raw(port) as client:
        while dropped(sidecar, "queue_full") == 0:  # from here on there is no room
            for _ in range(500):
                client.send(b"GET /works HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.response().status == 200
        client.send(b"GET /fails HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.response().status == 503
    spend(port, 2000)
    collector = Collector(tmp_path, port=port_of_collector)
    try:
        def failed():
            return [span for _, span in list(collector.spans) if attributes(span).get("url.path") == "/fails"]
        processes.wait_until(failed, "the failed request at the collector", 60)
        assert dropped(sidecar, "queue_full_errors") == 0
    finally:
        collector.server.stop(0)


class PartialCollector(Collector):
    """Rejects one span of each request, after it has said once that it is busy: `first(context)`."""

    def __init__(self, folder, first):
        self.first = first
        super().__init__(folder)
        self.details = self.messages.type("google.rpc.Status"), self.messages.type("google.rpc.RetryInfo")

    def busy(self, context, retry_after):
        """RESOURCE_EXHAUSTED, with RetryInfo unless it is None."""
        if retry_after is not None:
            status, retry = (each() for each in self.details)
            retry.retry_delay.seconds = retry_after
            status.details.add().Pack(retry)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many spans")

    def _export(self, request, context):
        if self.first:
            first, self.first = self.first, None
            first(self, context)
        super()._export(request, context)
        answer = self.messages.type(TRACES + "ExportTraceServiceResponse")()
        answer.partial_success.rejected_spans, answer.partial_success.error_message = 1, "one is too old"
        return answer.SerializeToString()


def test_what_a_collector_rejects_is_counted_and_told(run_sidecar, origin, tmp_path):
    collector = PartialCollector(tmp_path, lambda self, context: self.busy(context, 1))
    try:
        sidecar, port = start(run_sidecar, origin, collector.port)
        get(port, "/")
        assert len(collector.wait_for(2)) == 2  # busy, it was asked again
        processes.wait_until(lambda: (sent(sidecar), dropped(sidecar, "rejected"), dropped(sidecar, "refused")) == (1, 1, 0), "one of two is rejected", 10)
        processes.wait_until(lambda: "did not take 1 spans: one is too old" in sidecar.log(), "a warning", 10)
    finally:
        collector.server.stop(0)


def test_without_retry_info_resource_exhausted_is_for_good(run_sidecar, origin, tmp_path):
    collector = PartialCollector(tmp_path, lambda self, context: self.busy(context, None))
    try:
        sidecar, port = start(run_sidecar, origin, collector.port)
        get(port, "/")
        processes.wait_until(lambda: dropped(sidecar, "refused") == 2, "both spans are refused", 20)
        assert "did not take 2 spans: too many spans" in sidecar.log() and collector.spans == []
    finally:
        collector.server.stop(0)


def test_by_http_too_what_a_collector_rejects_is_counted(run_sidecar, origin):
    collector = HttpCollector()
    collector.answers = [(200, {}, b"\x0a\x02\x08\x01")]  # partial_success: {rejected_spans: 1}
    try:
        sidecar, port = start_http(run_sidecar, origin, collector.port, otlp_http(collector.port))
        get(port, "/")
        processes.wait_until(lambda: (sent(sidecar), dropped(sidecar, "rejected")) == (1, 1), "one of two is rejected", 20)
    finally:
        collector.stop()
