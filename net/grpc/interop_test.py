"""Our gRPC against grpcio (C-core), both ways, over loopback."""
import concurrent.futures
import subprocess
import threading

import grpc
import pytest

INTEROP = "net/grpc/interop"
IDENTITY = {"request_serializer": None, "response_deserializer": None}


@pytest.fixture(name="port")
def serve():
    with subprocess.Popen([INTEROP, "server"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield int(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=30) == 0


@pytest.fixture(name="channel")
def dial(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield channel


def test_unary(channel):
    call = channel.unary_unary("/interop.Echo/Unary", **IDENTITY)
    assert call(b"hello", timeout=30) == b"hello"
    assert call(b"", timeout=30) == b""
    large = bytes(range(256)) * 20000
    assert call(large, timeout=60) == large
    for i in range(300):
        assert call(b"%d" % i, timeout=30) == b"%d" % i


def test_many_at_once(channel):
    call = channel.unary_unary("/interop.Echo/Unary", **IDENTITY)
    futures = [call.future(b"x" * i * 100, timeout=60) for i in range(400)]
    assert [len(future.result()) for future in futures] == [i * 100 for i in range(400)]


def test_statuses(channel):
    call = channel.unary_unary("/interop.Echo/Unary", **IDENTITY)
    with pytest.raises(grpc.RpcError) as failed:
        call(b"fail", timeout=30)
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND
    assert failed.value.details() == "no café 100%"
    with pytest.raises(grpc.RpcError) as failed:
        channel.unary_unary("/interop.Echo/None", **IDENTITY)(b"", timeout=30)
    assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_fault_77_deadline_cancel_and_size(channel):
    call = channel.unary_unary("/interop.Echo/Unary", **IDENTITY)
    with pytest.raises(grpc.RpcError) as failed:
        call(b"slow", timeout=0.2)
    assert failed.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    # Once the stream is open: a call that is cancelled sooner can make this client reset a stream that it never opened.
    over = threading.Event()

    def messages():
        yield b"first"
        over.wait(30)
    pending = channel.stream_stream("/interop.Echo/Chat", **IDENTITY)(messages(), timeout=30)
    assert next(pending) == b"first"
    assert pending.cancel()
    over.set()
    with pytest.raises(grpc.RpcError) as failed:
        call(b"x" * (17 << 20), timeout=60)
    assert failed.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert call(b"still here", timeout=30) == b"still here"


def test_streaming(channel):
    chat = channel.stream_stream("/interop.Echo/Chat", **IDENTITY)
    messages = [b"m%d" % i * (i % 700) for i in range(2000)]
    assert list(chat(iter(messages), timeout=60)) == messages
    assert not list(chat(iter([]), timeout=30))


class Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details):
        if handler_call_details.method == "/interop.Echo/Unary":
            return grpc.unary_unary_rpc_method_handler(self.unary)
        return grpc.stream_stream_rpc_method_handler(lambda messages, context: messages)

    @staticmethod
    def unary(request, context):
        if request == b"fail":
            context.abort(grpc.StatusCode.NOT_FOUND, "no café 100%")
        if request == b"slow":
            gone = threading.Event()
            if context.add_callback(gone.set):
                gone.wait(30)
        return request


def test_our_client_against_grpcio():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[Echo()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        done = subprocess.run([INTEROP, "client", str(port)], capture_output=True, timeout=60, check=True)
    finally:
        server.stop(None)
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "unary 0 |5"
    assert lines[1] == "unary 5 no café 100%|0"
    assert lines[2] == "unary 0 |3000000"
    assert lines[3].startswith("unary 4 ")
    assert lines[4] == "chat 0 100 2000000"
