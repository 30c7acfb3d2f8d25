"""Sends spans to tulle-control as sidecars do, with the join tokens of services."""
import time

import grpc

from ads import Messages

SERVER = 2  # SPAN_KIND_SERVER
ERROR = 2  # STATUS_CODE_ERROR
HOUR = 3600 * 10**9


class SpanSender:
    def __init__(self, mesh):
        self.mesh = mesh
        self.request_type = Messages(mesh.folder).type("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest")
        roots = mesh.tullectl("cert", "roots", "-o", "raw").encode()
        self.channel = grpc.secure_channel(mesh.sidecars_address, grpc.ssl_channel_credentials(roots))
        self.export = self.channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                                               lambda request: request.SerializeToString(), lambda answer: answer)

    def send(self, service, numbers):
        """A trace of one span for each number N: of /item/N, N x 0.1 ms long; those of each hundredth have failed."""
        token = self.mesh.tullectl("token", "create", "--service", service, "-o", "raw").strip()
        request = self.request_type()
        part = request.resource_spans.add()
        part.resource.attributes.add(key="service.name").value.string_value = service
        spans = part.scope_spans.add().spans
        for number in numbers:
            begin = time.time_ns() - HOUR + number * 10**6
            span = spans.add(trace_id=b"trace%011d" % number, span_id=b"%08d" % number, name="GET", kind=SERVER,
                             start_time_unix_nano=begin, end_time_unix_nano=begin + number * 10**5)
            is_failed = number % 100 == 0
            if is_failed:
                span.status.code = ERROR
            for key, text in (("http.request.method", "GET"), ("url.path", "/item/%d" % number), ("http.response.status_code", "503" if is_failed else "200")):
                span.attributes.add(key=key).value.string_value = text
        self.export(request, metadata=[("authorization", "Bearer " + token)], timeout=20)

    def close(self):
        self.channel.close()
