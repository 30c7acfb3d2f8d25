"""A strict origin that records what it gets: the judge of what a proxy lets through."""
import re
import socket
import threading

TOKEN = re.compile(rb"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
TARGET = re.compile(rb"^[\x21-\x7e]+$")
VALUE = re.compile(rb"^[\x20-\x7e\x80-\xff\t]*$")
TIMEOUT = 20


class Malformed(Exception):
    """What came is not HTTP/1.1 as RFC 9112 has it."""


class Request:
    """One request as it stood on the wire."""

    def __init__(self, method, target, headers, raw_head):
        self.method = method
        self.target = target
        self.headers = headers
        self.raw_head = raw_head
        self.body = b""
        self.body_size = 0
        self.trailers = []

    def header(self, name):
        """All values of a header."""
        return [v.decode("latin-1") for n, v in self.headers if n.lower() == name.lower().encode()]

    @property
    def path(self):
        return self.target.decode("latin-1")


class Stream:
    """Reads a socket by line and by size."""

    def __init__(self, sock):
        self.sock = sock
        self.held = b""
        self.got = 0

    def fill(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError
        self.got += len(data)
        self.held += data

    def line(self):
        while b"\n" not in self.held:
            if len(self.held) > 1 << 20:
                raise Malformed("a line without end")
            self.fill()
        line, _, self.held = self.held.partition(b"\n")
        if not line.endswith(b"\r"):
            raise Malformed("bare LF: %r" % line[:80])
        return line[:-1]

    def exactly(self, size, sink):
        while size:
            if not self.held:
                self.fill()
            part, self.held = self.held[:size], self.held[size:]
            size -= len(part)
            sink(part)


def parse_fields(stream):
    fields = []
    while True:
        line = stream.line()
        if not line:
            return fields
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name):
            raise Malformed("field name %r" % line[:80])
        value = value.strip(b" \t")
        if not VALUE.match(value) or b"\r" in value:
            raise Malformed("field value %r" % line[:80])
        fields.append((name, value))


def read_head(stream):
    line = stream.line()
    parts = line.split(b" ")
    if len(parts) != 3 or not TOKEN.match(parts[0]) or not TARGET.match(parts[1]) or parts[2] != b"HTTP/1.1":
        raise Malformed("request line %r" % line[:80])
    headers = parse_fields(stream)
    request = Request(parts[0].decode(), parts[1], headers, line)
    if len(request.header("host")) != 1:
        raise Malformed("%d Host fields" % len(request.header("host")))
    if request.header("content-length") and request.header("transfer-encoding"):
        raise Malformed("content-length and transfer-encoding")
    if len(request.header("content-length")) > 1:
        raise Malformed("two content-lengths")
    return request


def read_body(stream, request, keep):
    def sink(part):
        request.body_size += len(part)
        if keep:
            request.body += part
    coding = request.header("transfer-encoding")
    if coding:
        if coding != ["chunked"]:
            raise Malformed("transfer-encoding %r" % coding)
        while True:
            line = stream.line()
            size = line.split(b";")[0]
            if not re.match(rb"^[0-9a-fA-F]{1,16}$", size):
                raise Malformed("chunk size %r" % line[:40])
            if int(size, 16) == 0:
                request.trailers = parse_fields(stream)
                return
            stream.exactly(int(size, 16), sink)
            if stream.line():
                raise Malformed("no line end after a chunk")
    length = request.header("content-length")
    if length:
        if not re.match(r"^\d+$", length[0]):
            raise Malformed("content-length %r" % length)
        stream.exactly(int(length[0]), sink)


def reply(body=b"ok\n", status="200 OK", headers=()):
    head = [b"HTTP/1.1 " + status.encode(), b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


class Origin:
    """Listens on loopback; `answer(request, sock)` returns the bytes to send back, or None once it has done the sending itself.

    An answer may raise ConnectionAbortedError to have the connection reset.
    """

    def __init__(self, answer=None, keep_bodies=True):
        self.requests = []
        self.malformed = []
        self.connections = 0
        self.answer = answer or (lambda request, sock: reply())
        self.keep_bodies = keep_bodies
        self._lock = threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        stream = Stream(sock)
        try:
            while True:
                request = read_head(stream)
                if request.header("expect"):
                    sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                if not getattr(self.answer, "before_body", False):
                    read_body(stream, request, self.keep_bodies)
                with self._lock:
                    self.requests.append(request)
                answer = self.answer(request, sock)
                if answer:
                    sock.sendall(answer)
                    if b"connection: close" in answer[:2000].lower():
                        return
        except Malformed as error:
            with self._lock:
                self.malformed.append(str(error))
        except ConnectionAbortedError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        except (EOFError, OSError):
            if stream.held:
                with self._lock:
                    self.malformed.append("cut short: %r" % stream.held[:80])
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def paths(self):
        with self._lock:
            return [r.path for r in self.requests]

    def forget(self):
        with self._lock:
            self.requests.clear()
            self.malformed.clear()

    def close_idle(self):
        """Closes every connection, as an origin does whose keep-alive time is over."""
        with self._lock:
            for sock in list(self._open):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept that waits in another thread
        except OSError:
            pass
        self._listener.close()
        self.close_idle()
