"""A workload that was taken over speaks to the control plane with its own certificate: others do not notice it."""
import os
import queue
import threading

import ads
import grpc
import processes
import pytest
import raw
from mesh import Mesh, Refused
from test_versions import channel, register

CONNECT = "/tulle.insight.v1.Insight/Connect"
THE_ONE = "6b1d2b3c-52a9-4a4d-9f0e-1f6a2c7d8e90"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    mesh.web = mesh.add("web")
    mesh.messages = ads.Messages(tmp_path)
    request = mesh.messages.type("tulle.registry.v1.RegisterRequest")(
        instance_id="hostile", address="127.0.0.1", outbound={"http_port": processes.free_port()})
    register(mesh, "hostile", request.SerializeToString())
    yield mesh
    mesh.close()


class Stream:
    """An insight stream with the certificate of `hostile`."""

    def __init__(self, mesh, made):
        self.report = mesh.messages.type("tulle.insight.v1.FromSidecar")
        self.instruction = mesh.messages.type("tulle.insight.v1.ToSidecar")
        self.reports = queue.Queue()
        self.call = made.stream_stream(CONNECT, request_serializer=None, response_deserializer=None)(
            iter(self.reports.get, None), timeout=20)

    def send(self, message):
        self.reports.put(message.SerializeToString())

    def end(self):
        """How the control plane ends it."""
        with pytest.raises(grpc.RpcError) as ended:
            for _ in self.call:
                pass
        return ended.value.code()


def fill_up(repeated, count, **fields):
    for _ in range(count):
        repeated.add(**fields)


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_reports_that_no_sidecar_sends_end_the_stream(mesh):
    def ends(fill):
        with channel(mesh, "hostile") as made:
            stream = Stream(mesh, made)
            message = stream.report()
            fill(message)
            stream.send(message)
            return stream.end()
    series = {"id": 1, "outbound": True, "service": "web.default.svc.cluster.local", "protocol": "http"}
    assert ends(lambda m: fill_up(m.answer.requests, 300_000)) == grpc.StatusCode.INVALID_ARGUMENT
    assert ends(lambda m: fill_up(m.failed, 300_000)) == grpc.StatusCode.INVALID_ARGUMENT
    assert ends(lambda m: m.traffic.series.add(response_code=77, **series)) == grpc.StatusCode.INVALID_ARGUMENT

    def too_many(message):
        message.traffic.series.add(response_code=503, **series)
        message.traffic.requests.add(series=1, buckets=[4_000_000_000])
    assert ends(too_many) == grpc.StatusCode.INVALID_ARGUMENT
    assert "503" not in mesh.tullectl("stat", "-o", "wide")
    with channel(mesh, "hostile") as made:
        spans = mesh.messages.type("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest")()
        fill_up(spans.resource_spans.add().scope_spans.add().spans, 300_000)
        with pytest.raises(grpc.RpcError, match="too many spans"):
            made.unary_unary(EXPORT, request_serializer=None, response_deserializer=None)(spans.SerializeToString(), timeout=20)


def test_what_is_refused_costs_the_control_plane_little(mesh):
    message = mesh.messages.type("tulle.insight.v1.FromSidecar")()
    fill_up(message.answer.requests, 300_000)
    pid = mesh.control.pid
    before = cpu_seconds(pid)
    with channel(mesh, "hostile") as made:
        for _ in range(8):
            stream = Stream(mesh, made)
            stream.send(message)
            assert stream.end() == grpc.StatusCode.INVALID_ARGUMENT
    assert cpu_seconds(pid) - before < 1, "parsed, they take 0.3 s each"


def test_only_what_was_asked_for_is_shown(mesh):
    raw.get(mesh.web.outbound, "/there", host="web", headers=[("x-request-id", THE_ONE)])
    with channel(mesh, "hostile") as made:
        stream = Stream(mesh, made)

        def answer():
            try:
                for bytes_ in stream.call:
                    question = stream.instruction.FromString(bytes_).question
                    if not question.HasField("find"):
                        continue
                    message = stream.report()
                    message.answer.question, message.answer.is_last = question.id, True
                    message.answer.requests.add(request_id=question.find.id, method="FORGED")
                    fill_up(message.answer.requests, 50, request_id="another-one")
                    stream.send(message)
            except grpc.RpcError:
                pass  # the test is over
        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        shown = processes.wait_until(lambda: explained(mesh, "FORGED"), "the hostile sidecar is asked too", 20)
        assert "/there" in shown and "another-one" not in shown, shown
        stream.call.cancel()
        thread.join()


def explained(mesh, text):
    try:
        shown = mesh.tullectl("explain", THE_ONE, "-o", "json")
    except Refused:
        return ""
    return shown if text in shown else ""
