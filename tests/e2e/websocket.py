"""A WebSocket client, applications that upgrade, and two sidecars with mutual TLS between them."""
import base64
import hashlib
import os
import socket
import struct
import threading

import bootstrap
import pki
import processes
import raw
from origin import Stream, read_body, read_head

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


def frame(opcode, payload=b"", fin=True, mask=b""):
    """RFC 6455 5.2; the length in 7, 16 or 64 bits."""
    size, masked = len(payload), 0x80 if mask else 0
    head = bytes([(0x80 if fin else 0) | opcode])
    if size < 126:
        head += bytes([masked | size])
    elif size < 1 << 16:
        head += bytes([masked | 126]) + struct.pack(">H", size)
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", size)
    if mask:
        key = (mask * (size // 4 + 1))[:size]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + payload


def take(stream, size):
    parts = []
    stream.exactly(size, parts.append)
    return b"".join(parts)


def read_frame(stream):
    """(fin, opcode, payload)"""
    first, second = take(stream, 2)
    size = second & 0x7f
    if size == 126:
        [size] = struct.unpack(">H", take(stream, 2))
    elif size == 127:
        [size] = struct.unpack(">Q", take(stream, 8))
    mask = take(stream, 4) if second & 0x80 else b""
    payload = take(stream, size)
    if mask:
        key = (mask * (size // 4 + 1))[:size]
        payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return bool(first & 0x80), first & 0xf, payload


def read_to_end(stream):
    """All that comes until the peer's end."""
    parts = [stream.held]
    stream.held = b""
    while True:
        data = stream.sock.recv(1 << 18)
        if not data:
            return b"".join(parts)
        parts.append(data)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())


def switch(request, sock, upgrade=b"websocket"):
    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + upgrade + b"\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
                 + accept_of("".join(request.header("sec-websocket-key"))) + b"\r\n\r\n")


def echo(stream):
    """A WebSocket server that sends back what comes, until it is told to close."""
    while True:
        fin, opcode, payload = read_frame(stream)
        if opcode == PING:
            opcode = PONG
        stream.sock.sendall(frame(opcode, payload, fin))
        if opcode == CLOSE and fin:
            return


class Application:
    """Answers each request by `serve(self, request, stream)`, on a thread of its own; what it returns is kept."""

    def __init__(self, serve):
        self.serve = serve
        self.requests = []
        self.results = []
        self.done = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def _connection(self, sock):
        sock.settimeout(raw.TIMEOUT)
        stream = Stream(sock)
        try:
            with sock:
                while True:
                    request = read_head(stream)
                    read_body(stream, request, True)
                    self.requests.append(request)
                    self.results.append(self.serve(self, request, stream))
                    if request.header("upgrade") and self.results[-1] != "again":
                        break
        except EOFError:
            return
        except OSError as error:
            self.results.append(type(error))
        self.done.set()

    def result(self):
        assert self.done.wait(raw.TIMEOUT), "the application waits"
        return self.results[-1]

    def close(self):
        self.listener.close()


def websocket(_, request, stream):
    switch(request, stream.sock)
    echo(stream)


def ask(upgrade="websocket", path="/chat", host="chat", method="GET", more=b""):
    return ("%s %s HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: %s\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" % (method, path, host, upgrade)).encode() + more + b"\r\n"


class Client(raw.Raw):
    """A WebSocket client."""

    def upgrade(self, **options):
        self.send(ask(**options))
        answer = self.response()
        assert answer.status == 101, answer.status
        assert answer.header("upgrade") == ["websocket"] and answer.header("connection") == ["Upgrade"]
        assert answer.header("sec-websocket-accept") == [accept_of("dGhlIHNhbXBsZSBub25jZQ==").decode()]
        return self

    def say(self, opcode, payload=b"", fin=True):
        self.sock.sendall(frame(opcode, payload, fin, mask=b"\x01\x02\x03\x04"))

    def hear(self):
        return read_frame(self.stream)

    def rest(self):
        return read_to_end(self.stream)


UPGRADES = [{"upgrade_type": "WebSocket"}]
LOG = "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %REQ(:METHOD)% %REQ(:PATH)%\n"


class Pair:
    """Client -> outbound sidecar -> mutual TLS -> inbound sidecar -> application."""

    def __init__(self, run_sidecar, authority, tmp_path, application, *, inbound=None, outbound=None, cluster=None, route=None, arguments=()):
        self.application = application
        self.port, between = processes.free_port(), processes.free_port()
        self.logs = [str(tmp_path / ("%s-%d.log" % (side, self.port))) for side in ("outbound", "inbound")]
        web = authority.issue("web-%d" % self.port, [pki.spiffe("web")])
        chat = authority.issue("chat-%d" % self.port, [pki.spiffe("chat")], dns=["server.test"])
        self.inbound = run_sidecar(
            [bootstrap.listener(between, self.manager(1, **(inbound or {})), tls=bootstrap.downstream_tls(chat), traffic_direction="INBOUND")],
            [bootstrap.cluster(ports=[application.port])], *arguments)
        self.outbound = run_sidecar(
            [bootstrap.listener(self.port, self.manager(0, routes=[bootstrap.route(**(route or {}))], **(outbound or {})), traffic_direction="OUTBOUND")],
            [bootstrap.cluster(ports=[between], tls=bootstrap.upstream_tls(web), **(cluster or {}))], *arguments)

    def manager(self, which, **options):
        options.setdefault("upgrade_configs", UPGRADES)
        return bootstrap.connection_manager(access_log=[{"name": "log", "typed_config": {
            "@type": bootstrap.TYPE + "extensions.access_loggers.file.v3.FileAccessLog", "path": self.logs[which],
            "log_format": {"text_format_source": {"inline_string": LOG}}}}], **options)

    def logged(self, which=0):
        def lines():
            if not os.path.exists(self.logs[which]):
                return []
            with open(self.logs[which], encoding="utf-8") as file:
                return file.read().splitlines()
        return processes.wait_until(lines, "no line in the access log")
