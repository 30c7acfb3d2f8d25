"""HTTP/2 by raw frames: what is good passes, faults 12 and 22 to 31 do not."""
import socket

import h2raw
import pytest
from h2raw import H2, PREFACE, request
from hyperframe import frame as frames
from origin import reply


@pytest.fixture
def h2proxy(make_proxy, origin):
    """HTTP/2 with prior knowledge in front, HTTP/1.1 behind."""
    return make_proxy(origin, codec="HTTP2")


def still_serves(proxy):
    with H2(proxy.port) as client:
        assert client.status(client.open(request(path="/probe"))) == 200, "the sidecar no longer serves"


def refused(proxy, client, stream, code=h2raw.PROTOCOL_ERROR, go_on=True):
    """The stream was reset with that code, the connection goes on, and the origin saw nothing."""
    try:
        status = client.status(stream)
        assert status is None and client.resets == {stream: code}, (status, client.resets, client.goaway)
        client.next_id = max(client.next_id, stream + 2)
        assert not go_on or client.status(client.open(request(path="/probe"))) == 200, "the connection no longer serves"
    except socket.timeout:
        pytest.fail("no reaction")
    still_serves(proxy)
    assert [p for p in proxy.origin.paths() if p != "/probe"] == [] and not proxy.origin.malformed


def test_requests_in_parallel(h2proxy):
    h2proxy.origin.answer = lambda r, sock: reply(r.path.encode() + r.body)
    with H2(h2proxy.port) as client:
        streams = [client.open(request(path="/%d" % i)) for i in range(50)]
        for number, stream in enumerate(streams):
            assert client.whole(stream) == (200, b"/%d" % number)
        stream = client.open(request("POST", "/p"), end=False)
        client.send(client.data_frame(stream, b"one"), client.data_frame(stream, b"two", end=True, padding=10))
        assert client.whole(stream) == (200, b"/ponetwo")


def test_trailers_come_through(make_proxy, make_origin):
    h2proxy = make_proxy(make_origin(), codec="HTTP2", cluster={"trailers": True})
    h2proxy.origin.answer = lambda r, sock: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n"
    with H2(h2proxy.port) as client:
        stream = client.open(request(extra=[("te", "trailers")]))
        assert client.whole(stream) == (200, b"ab")
        assert ("x-sum", "1") in client.trailers[stream]


def test_fault_21_a_closed_window_stops_only_its_stream(make_proxy, make_origin):
    block = b"z" * (1 << 20)

    def answer(r, sock):
        if r.path == "/small":
            return reply()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (32 << 20))
        for _ in range(32):
            sock.sendall(block)
        return None
    proxy = make_proxy(make_origin(answer), codec="HTTP2")
    before = proxy.sidecar.memory_mib()
    with H2(proxy.port, settings={frames.SettingsFrame.INITIAL_WINDOW_SIZE: 1000}) as client:
        big = client.open(request(path="/big"))
        client.until(lambda: len(client.data.get(big, b"")) == 1000)
        for _ in range(10):
            assert client.whole(client.open(request(path="/small")))[0] == 200
        assert len(client.data[big]) == 1000
        assert proxy.sidecar.memory_mib() < before + 8


def test_graceful_end_by_goaway(h2proxy):
    with H2(h2proxy.port) as client:
        assert client.status(client.open()) == 200
        h2proxy.sidecar.expected_to_end = True
        h2proxy.sidecar.process.terminate()
        assert client.drained()
        assert client.goaway == 0


def test_fault_12_cookie_crumbs_count(h2proxy):
    with H2(h2proxy.port) as client:
        crumbs = [("cookie", "a%d=b" % i) for i in range(10000)]
        block = client.encoder.encode(request(extra=crumbs), huffman=False)
        pieces = [block[i:i + 16000] for i in range(0, len(block), 16000)]
        client.send(client.headers_frame(pieces[0], stream=1, flags=(), encode=False))
        for number, piece in enumerate(pieces[1:], 2):
            client.send(frames.ContinuationFrame(1, piece, flags=["END_HEADERS"] if number == len(pieces) else []))
        refused(h2proxy, client, 1, h2raw.ENHANCE_YOUR_CALM)


def test_fault_22_rapid_reset(h2proxy):
    with H2(h2proxy.port) as client:
        for _ in range(200):
            batch = []
            for _ in range(50):
                headers = client.headers_frame(request())
                batch += [headers, frames.RstStreamFrame(headers.stream_id, 8)]
            if not client.send(*batch):
                break
        assert client.drained(), "10,000 resets were taken"
        # Sending on, a client may lose the frame that tells it why.
        assert client.goaway in (None, h2raw.ENHANCE_YOUR_CALM)
    still_serves(h2proxy)


@pytest.mark.parametrize("size", [0, 1000])
def test_fault_23_continuation_flood(h2proxy, size):
    with H2(h2proxy.port) as client:
        client.send(client.headers_frame(request(), flags=()))
        for number in range(3000):
            piece = client.encoder.encode([("x%d" % number, "a" * size)], huffman=False) if size else b""
            if not client.send(frames.ContinuationFrame(1, piece)):
                break
        assert client.drained(), "the flood was taken"
    still_serves(h2proxy)
    assert h2proxy.sidecar.peak_memory_mib() < 100


def flood(proxy, one, count):
    """Sends many of a frame without reading; then the connection must be closed, or must still work."""
    before = proxy.sidecar.memory_mib()
    with H2(proxy.port) as client:
        client.sock.settimeout(5)
        batch = one(client) * 100
        for _ in range(count // 100):
            try:
                client.sock.sendall(batch)
            except OSError:
                break
        assert proxy.sidecar.memory_mib() < before + 16
    still_serves(proxy)


FLOODS = {
    "settings": lambda c: frames.SettingsFrame(0, settings={4: 65535}).serialize(),
    "ping": lambda c: frames.PingFrame(0, b"12345678").serialize(),
    "priority": lambda c: frames.PriorityFrame(1, depends_on=0, stream_weight=1).serialize(),
    "window_update": lambda c: frames.WindowUpdateFrame(0, 1).serialize(),
    "unknown": lambda c: b"\0\0\x04\xee\0\0\0\0\0abcd",
}


@pytest.mark.parametrize("kind", sorted(FLOODS))
def test_fault_24_floods_of_control_frames(h2proxy, kind):
    flood(h2proxy, FLOODS[kind], 100000)


def test_fault_25_resets_that_we_are_made_to_send(h2proxy):
    with H2(h2proxy.port) as client:
        for _ in range(400):
            batch = []
            for _ in range(50):
                headers = client.headers_frame(request("POST"), end=False)
                # A window update of zero makes the server reset the stream.
                batch += [headers, frames.WindowUpdateFrame(headers.stream_id, 1)]
            data = b"".join(f.serialize() if not isinstance(f, frames.WindowUpdateFrame) else f.serialize()[:-4] + b"\0\0\0\0" for f in batch)
            if not client.raw(data):
                break
        assert client.drained(), "20,000 provoked resets were served"
    still_serves(h2proxy)


def test_fault_26_hpack_bomb(h2proxy):
    with H2(h2proxy.port) as client:
        client.encoder.header_table_size = 4096
        # One entry of 4 KB in the table, then thousands of one-byte references to it.
        literal = b"\x40\x01x" + b"\x7f" + bytes([0x80 | ((3900 - 127) & 0x7f), (3900 - 127) >> 7]) + b"a" * 3900
        block = client.encoder.encode(request(), huffman=False) + literal + b"\xbe" * 12000
        client.send(client.headers_frame(block, encode=False))
        # The client's own encoder knows nothing of that entry.
        refused(h2proxy, client, 1, h2raw.ENHANCE_YOUR_CALM, go_on=False)
    assert h2proxy.sidecar.peak_memory_mib() < 100


def test_fault_27_empty_data_flood(h2proxy):
    with H2(h2proxy.port) as client:
        stream = client.open(request("POST", "/empty"), end=False)
        batch = client.data_frame(stream).serialize() * 1000
        for _ in range(200):
            if not client.raw(batch):
                break
        assert client.until(lambda: stream in client.resets or client.goaway is not None or client.closed)
    still_serves(h2proxy)


def test_fault_27_padding_counts_for_the_window(make_proxy, make_origin):
    """Frames that are nearly all padding use the window up as if they were data, and it is given back."""
    proxy = make_proxy(make_origin(lambda r, sock: reply(b"%d" % len(r.body))), codec="HTTP2")
    with H2(proxy.port) as client:
        stream = client.open(request("POST"), end=False)
        for _ in range(100):
            client.send(client.data_frame(stream, b"x", padding=200))
        client.send(client.data_frame(stream, b"", end=True))
        assert client.whole(stream) == (200, b"100")


BAD_HEADERS = {
    "cr-lf in a value": request(extra=[("x", "a\r\nEvil: 1")]),
    "lf in a value": request(extra=[("x", "a\nb")]),
    "nul in a value": request(extra=[("x", "a\0b")]),
    "colon in a name": request(extra=[("x:y", "a")]),
    "blank in a name": request(extra=[("x y", "a")]),
    "upper case": request(extra=[("X-Upper", "a")]),
    "empty name": request(extra=[("", "a")]),
    "connection": request(extra=[("connection", "close")]),
    "keep-alive": request(extra=[("keep-alive", "1")]),
    "transfer-encoding": request(extra=[("transfer-encoding", "chunked")]),
    "upgrade": request(extra=[("upgrade", "h2c")]),
    "te": request(extra=[("te", "gzip")]),
    "empty path": request(path=""),
    "no slash": request(path="x"),
    "crlf in the path": request(path="/ HTTP/1.1\r\nEvil: 1\r\n\r\n"),
    "blank in the path": request(path="/a b"),
    "crlf in the authority": request(authority="a\r\nEvil: 1"),
    "blank in the method": request("GET /x"),
    "no path": [(":method", "GET"), (":scheme", "http"), (":authority", "a")],
    "no method": [(":scheme", "http"), (":authority", "a"), (":path", "/")],
    "no scheme": [(":method", "GET"), (":authority", "a"), (":path", "/")],
    "unknown pseudo": request(extra=()) + [(":evil", "x")],
    "status in a request": [(":status", "200")] + request(),
}


@pytest.mark.parametrize("kind", sorted(BAD_HEADERS))
def test_fault_28_what_http1_would_misread(h2proxy, kind):
    with H2(h2proxy.port) as client:
        refused(h2proxy, client, client.open(BAD_HEADERS[kind]))


def test_fault_28_host_that_differs_from_the_authority(h2proxy):
    with H2(h2proxy.port) as client:
        refused(h2proxy, client, client.open(request(authority="real.local", extra=[("host", "other.local")])))


@pytest.mark.parametrize("announced,sent", [("5", b"hell"), ("3", b"hello"), ("0", b"x"), ("5, 5", b"hello"), ("+5", b"hello"), ("-1", b"")])
def test_fault_29_content_length_and_data_differ(h2proxy, announced, sent):
    with H2(h2proxy.port) as client:
        stream = client.open(request("POST", extra=[("content-length", announced)]), end=False)
        client.send(client.data_frame(stream, sent, end=True))
        try:
            status = client.status(stream)
        except socket.timeout:
            pytest.fail("no reaction")
        assert status is None or status >= 400
    still_serves(h2proxy)
    assert [p for p in h2proxy.origin.paths() if p != "/probe"] == [], "a request of the wrong length came through whole"


@pytest.mark.parametrize("headers", [
    request() + [(":path", "/two")], request() + [(":method", "POST")],
    [(":method", "GET"), (":scheme", "http"), (":authority", "a"), ("x", "y"), (":path", "/")]])
def test_fault_29_pseudo_headers(h2proxy, headers):
    with H2(h2proxy.port) as client:
        refused(h2proxy, client, client.open(headers))


def test_fault_30_more_streams_than_allowed(h2proxy):
    import threading
    release = threading.Event()
    h2proxy.origin.answer = lambda r, sock: (r.path != "/probe" and release.wait(20), reply())[1]
    with H2(h2proxy.port) as client:
        client.until(lambda: frames.SettingsFrame.MAX_CONCURRENT_STREAMS in client.server_settings)
        limit = client.server_settings[frames.SettingsFrame.MAX_CONCURRENT_STREAMS]
        assert limit <= 1024
        for _ in range(limit + 20):
            client.open(request(path="/held"))
        client.until(lambda: len(client.resets) >= 20)
        assert client.goaway is not None or set(client.resets.values()) <= {h2raw.REFUSED_STREAM, h2raw.PROTOCOL_ERROR}
        release.set()
    still_serves(h2proxy)


@pytest.mark.parametrize("second", [2, 1, 3])
def test_fault_30_stream_numbers(h2proxy, second):
    with H2(h2proxy.port) as client:
        client.next_id = 5
        assert client.whole(client.open())[0] == 200
        h2proxy.origin.forget()
        client.send(client.headers_frame(request(path="/bad"), stream=second))
        client.next_id = 7
        # Refused with the connection, or not heard: never served.
        stream = client.open(request(path="/after"))
        client.until(lambda: stream in client.headers or client.goaway is not None or client.closed)
    still_serves(h2proxy)
    assert "/bad" not in h2proxy.origin.paths()


def test_fault_31_window_overflow(h2proxy):
    with H2(h2proxy.port) as client:
        client.send(frames.WindowUpdateFrame(0, (1 << 31) - 1))
        assert client.drained()
        assert client.goaway == h2raw.FLOW_CONTROL_ERROR
    with H2(h2proxy.port) as client:
        stream = client.open(request("POST"), end=False)
        client.send(frames.WindowUpdateFrame(stream, (1 << 31) - 1))
        client.until(lambda: stream in client.resets or client.goaway is not None or client.closed)
        assert client.resets == {stream: h2raw.FLOW_CONTROL_ERROR} and client.goaway is None
    still_serves(h2proxy)


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", PREFACE[:-1] + b"x", PREFACE + b"\xff" * 100, PREFACE + b"\0\0\x01\x04\0\0\0\0\0x",
    PREFACE + b"\0\0\x06\x04\0\0\0\0\0\0\4\xff\xff\xff\xff", PREFACE + b"\0\0\0\x04\0\0\0\0\0\0\0\0\x01\0\0\0\0\1"], ids=lambda data: repr(data[:6] + data[24:32]))
def test_broken_connections_are_closed(h2proxy, data):
    with H2(h2proxy.port, greet=False) as client:
        client.raw(data)
        assert client.drained()
    still_serves(h2proxy)


def test_a_large_upload(make_proxy, make_origin):
    """By the h2 library, which keeps the windows: the upload is bounded by the window, not by memory."""
    import h2.config
    import h2.connection
    import h2.events
    size = 32 << 20
    origin = make_origin(lambda r, sock: reply(b"%d" % r.body_size), keep_bodies=False)
    proxy = make_proxy(origin, codec="HTTP2")
    sock = socket.create_connection(("127.0.0.1", proxy.port), 20)
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    connection.send_headers(1, request("POST"))
    left, body, ended = size, b"", False
    block = b"u" * 16384
    with sock:
        while not ended:
            while left:
                room = min(connection.local_flow_control_window(1), connection.max_outbound_frame_size, left)
                if room <= 0:
                    break
                connection.send_data(1, block[:room], end_stream=room == left)
                left -= room
            sock.sendall(connection.data_to_send())
            data = sock.recv(65536)
            assert data, "closed"
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    ended = True
                else:
                    assert not isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)), event
    assert body == b"%d" % size
    assert proxy.sidecar.peak_memory_mib() < 40
