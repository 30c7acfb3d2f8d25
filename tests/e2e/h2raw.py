"""HTTP/2 frames, one by one, right or wrong."""
import socket

import hpack
from hyperframe import frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TIMEOUT = 10

# Error codes of RFC 9113, section 7.
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM = 1, 3, 5, 6, 7
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11


def request(method="GET", path="/", authority="test.local", scheme="http", extra=()):
    return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *extra]


class H2:
    """A connection with prior knowledge. Acknowledges settings and pings; gives no flow control credit by itself."""

    def __init__(self, port, sock=None, settings=None, greet=True):
        self.sock = sock or socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.sock.settimeout(TIMEOUT)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 24
        self.held = b""
        self.next_id = 1
        self.goaway = None
        self.closed = False
        self.resets = {}
        self.headers = {}
        self.trailers = {}
        self.data = {}
        self.ended = set()
        self.server_settings = {}
        if greet:
            self.raw(PREFACE)
            self.send(frames.SettingsFrame(0, settings=settings or {}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def raw(self, data):
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            self.closed = True
            return False

    def send(self, *several):
        return self.raw(b"".join(f.serialize() for f in several))

    def headers_frame(self, headers, end=True, stream=None, flags=("END_HEADERS",), encode=True):
        if stream is None:
            stream = self.next_id
            self.next_id += 2
        frame = frames.HeadersFrame(stream, self.encoder.encode(headers, huffman=False) if encode else headers)
        for flag in flags:
            frame.flags.add(flag)
        if end:
            frame.flags.add("END_STREAM")
        return frame

    def open(self, headers=None, end=True):
        """Opens a stream; returns its id."""
        frame = self.headers_frame(headers or request(), end)
        self.send(frame)
        return frame.stream_id

    def data_frame(self, stream, data=b"", end=False, padding=None):
        frame = frames.DataFrame(stream, data)
        if end:
            frame.flags.add("END_STREAM")
        if padding is not None:
            frame.flags.add("PADDED")
            frame.pad_length = padding
        return frame

    def _fill(self):
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionError:
            data = b""
        if not data:
            self.closed = True
        self.held += data

    def step(self):
        """Takes one frame in; False at the end of the connection."""
        while len(self.held) < 9 or len(self.held) < 9 + int.from_bytes(self.held[:3], "big"):
            if self.closed:
                return False
            self._fill()
        length = int.from_bytes(self.held[:3], "big")
        kind = self.held[3]
        body = memoryview(self.held[9:9 + length])
        header = memoryview(self.held[:9])
        self.held = self.held[9 + length:]
        if kind > 9:
            return True
        frame, _ = frames.Frame.parse_frame_header(header)
        frame.parse_body(body)
        self._take(frame)
        return True

    def _take(self, frame):
        stream = frame.stream_id
        if isinstance(frame, frames.SettingsFrame) and "ACK" not in frame.flags:
            self.server_settings.update(frame.settings)
            self.send(frames.SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, frames.PingFrame) and "ACK" not in frame.flags:
            self.send(frames.PingFrame(0, frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, frames.GoAwayFrame):
            self.goaway = frame.error_code
        elif isinstance(frame, frames.RstStreamFrame):
            self.resets[stream] = frame.error_code
        elif isinstance(frame, frames.HeadersFrame):
            fields = self.decoder.decode(frame.data)
            (self.trailers if stream in self.headers else self.headers)[stream] = fields
        elif isinstance(frame, frames.DataFrame):
            self.data[stream] = self.data.get(stream, b"") + frame.data
        if "END_STREAM" in frame.flags and not isinstance(frame, frames.SettingsFrame):
            self.ended.add(stream)

    def until(self, condition):
        """Takes frames in until the condition holds; False if the connection ends first, socket.timeout if nothing comes."""
        while not condition():
            if not self.step():
                return condition()
        return True

    def status(self, stream):
        """The status of the final response; None if the stream or the connection ended without one."""
        self.until(lambda: stream in self.headers or stream in self.resets)
        if stream not in self.headers:
            return None
        return int(dict(self.headers[stream])[":status"])

    def whole(self, stream):
        self.until(lambda: stream in self.ended or stream in self.resets)
        return self.status(stream), self.data.get(stream, b"")

    def drained(self):
        """Reads until the server closes; True if it did."""
        try:
            while self.step():
                pass
        except socket.timeout:
            return False
        return True
