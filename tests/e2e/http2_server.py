"""An application that speaks HTTP/2 without TLS, and answers each request with the frames that it is told to."""
import hpack
from byte_server import ByteServer
from hyperframe import frame as frames

PREFACE = 24


class Http2Server(ByteServer):
    """`answer(path, stream, encoder)` gives the frames; None: it is silent."""

    def __init__(self, answer):
        self.answer = answer
        super().__init__(self._talk)

    def _talk(self, sock):
        exactly(sock, PREFACE)
        decoder, encoder = hpack.Decoder(), hpack.Encoder()
        sock.sendall(frames.SettingsFrame(0).serialize())
        while True:
            frame, size = frames.Frame.parse_frame_header(memoryview(exactly(sock, 9)))
            frame.parse_body(memoryview(exactly(sock, size)))
            answers = []
            if isinstance(frame, frames.SettingsFrame) and "ACK" not in frame.flags:
                answers = [frames.SettingsFrame(0, flags=["ACK"])]
            elif isinstance(frame, frames.PingFrame) and "ACK" not in frame.flags:
                answers = [frames.PingFrame(0, frame.opaque_data, flags=["ACK"])]
            elif isinstance(frame, frames.HeadersFrame):
                answers = self.answer(dict(decoder.decode(frame.data))[":path"], frame.stream_id, encoder) or []
            sock.sendall(b"".join(each.serialize() for each in answers))


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise OSError("the peer has closed")
        data += part
    return data
