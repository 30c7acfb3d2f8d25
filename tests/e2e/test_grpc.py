"""gRPC by another implementation on both ends, through two sidecars with mTLS."""
from concurrent import futures

import grpc
import processes
import pytest
from test_mtls import two_hops


class Echo(grpc.GenericRpcHandler):
    """Bytes in, bytes out: /t.Echo/{Unary,Count,Sum,Chat,Fail}."""

    def service(self, call):
        kind = call.method.rsplit("/", 1)[1]
        if kind == "Unary":
            return grpc.unary_unary_rpc_method_handler(self.unary)
        if kind == "Count":
            return grpc.unary_stream_rpc_method_handler(lambda request, context: (b"%d" % i for i in range(int(request))))
        if kind == "Sum":
            return grpc.stream_unary_rpc_method_handler(lambda requests, context: b"%d" % sum(len(r) for r in requests))
        if kind == "Chat":
            return grpc.stream_stream_rpc_method_handler(lambda requests, context: (b"re:" + r for r in requests))
        if kind == "Fail":
            return grpc.unary_unary_rpc_method_handler(self.fail)
        return None

    @staticmethod
    def unary(request, context):
        context.set_trailing_metadata((("x-seen", dict(context.invocation_metadata()).get("x-mine", "nothing")),
                                       ("x-bin-bin", b"\x00\xff")))
        return request

    @staticmethod
    def fail(request, context):
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more é")


@pytest.fixture
def channel(run_sidecar, authority):
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    front, *sidecars = two_hops(run_sidecar, authority, port, http2=True, origin_http2=True)
    with grpc.insecure_channel("127.0.0.1:%d" % front) as made:
        made.sidecars = sidecars
        yield made
    server.stop(None).wait(10)


def test_unary_with_metadata_and_trailers(channel):
    for number in range(50):
        reply, call = channel.unary_unary("/t.Echo/Unary").with_call(b"hi %d" % number, timeout=20, metadata=(("x-mine", "yes"),))
        assert reply == b"hi %d" % number
        trailers = dict(call.trailing_metadata())
        assert trailers["x-seen"] == "yes" and trailers["x-bin-bin"] == b"\x00\xff"


def test_status_and_message_come_through(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/t.Echo/Fail")(b"", timeout=20)
    assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and error.value.details() == "no more é"


def test_unknown_method(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/t.Echo/Nothing")(b"", timeout=20)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_streams(channel):
    assert list(channel.unary_stream("/t.Echo/Count")(b"1000", timeout=20)) == [b"%d" % i for i in range(1000)]
    assert channel.stream_unary("/t.Echo/Sum")((b"x" * 10000 for _ in range(300)), timeout=20) == b"3000000"
    assert list(channel.stream_stream("/t.Echo/Chat")((b"%d" % i for i in range(100)), timeout=20)) == [b"re:%d" % i for i in range(100)]


def test_messages_are_counted(channel):
    channel.unary_unary("/t.Echo/Unary")(bytes(100_000), timeout=20)
    list(channel.unary_stream("/t.Echo/Count")(b"1000", timeout=20))
    channel.stream_unary("/t.Echo/Sum")((b"x" * 10000 for _ in range(300)), timeout=20)

    def messages(sidecar, way):
        return sum(value for (name, _), value in sidecar.metrics().items() if name == "istio_%s_messages_total" % way)
    for sidecar in channel.sidecars:
        processes.wait_until(lambda: (messages(sidecar, "request"), messages(sidecar, "response")) == (302, 1002), "all messages are counted")


def test_a_conversation_in_turns(channel):
    """Each message must arrive before the next is sent: nothing may wait for the end of a body."""
    import queue
    mine = queue.Queue()
    replies = channel.stream_stream("/t.Echo/Chat")(iter(mine.get, None), timeout=20)
    for number in range(20):
        mine.put(b"%d" % number)
        assert next(replies) == b"re:%d" % number
    mine.put(None)
    assert list(replies) == []


def test_a_large_message(channel):
    big = bytes(range(256)) * 12000
    assert channel.unary_unary("/t.Echo/Unary")(big, timeout=20) == big


def test_many_at_once(channel):
    calls = [channel.unary_unary("/t.Echo/Unary").future(b"%d" % i, timeout=20) for i in range(300)]
    assert [c.result() for c in calls] == [b"%d" % i for i in range(300)]


def test_cancel(channel):
    call = channel.unary_stream("/t.Echo/Count")(b"1000000", timeout=20)
    assert next(call) == b"0"
    call.cancel()
    assert channel.unary_unary("/t.Echo/Unary")(b"after", timeout=20) == b"after"
