"""A client that sends bytes as they are, and reads responses strictly."""
import socket

from origin import Malformed, Stream, parse_fields

TIMEOUT = 10


class Response:
    def __init__(self, status, headers, body, trailers=()):
        self.status = status
        self.headers = headers
        self.body = body
        self.trailers = list(trailers)

    def header(self, name):
        return [v.decode("latin-1") for n, v in self.headers if n.lower() == name.lower().encode()]


class Raw:
    """One connection."""

    def __init__(self, port, sock=None):
        self.sock = sock or socket.create_connection(("127.0.0.1", port), TIMEOUT)
        self.sock.settimeout(TIMEOUT)
        self.stream = Stream(self.sock)
        self.interim = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        """Sends; a peer that has closed early is not an error here, what it said is read later."""
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def response(self, head=False, version=b"HTTP/1.1"):
        """The next final response; EOFError or OSError when the connection ends before it is whole."""
        while True:
            line = self.stream.line()
            if not line.startswith(version + b" "):
                raise Malformed("status line %r" % line[:80])
            status = int(line[9:12])
            headers = parse_fields(self.stream)
            if status >= 200 or status == 101:
                break
            self.interim.append(status)
        response = Response(status, headers, b"")
        body = []
        if not head and status not in (204, 304, 101):
            if response.header("transfer-encoding") == ["chunked"]:
                while True:
                    size = int(self.stream.line().split(b";")[0], 16)
                    if size == 0:
                        response.trailers = parse_fields(self.stream)
                        break
                    self.stream.exactly(size, body.append)
                    if self.stream.line():
                        raise Malformed("chunk without end")
            elif response.header("content-length"):
                self.stream.exactly(int(response.header("content-length")[0]), body.append)
            else:
                while True:
                    body.append(self.stream.held)
                    self.stream.held = b""
                    try:
                        self.stream.fill()
                    except EOFError:
                        break
        response.body = b"".join(body)
        return response

    def closed(self):
        """True once the peer has ended the connection; what it still says is thrown away."""
        try:
            while self.sock.recv(1 << 16):
                pass
        except socket.timeout:
            return False
        except OSError:
            pass
        return True


def ask(port, data):
    """Sends bytes on a new connection: the status of the first response, 0 if the connection ended without one, -1 if nothing came."""
    with Raw(port) as client:
        client.send(data)
        try:
            return client.response().status
        except socket.timeout:
            return -1
        except (EOFError, ConnectionError):
            return 0


def get(port, path="/", headers=(), host="test.local", method="GET", body=b"", sock=None):
    """An ordinary request on a new connection, or on the one given."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + host, *("%s: %s" % h for h in headers)]
    if body or method in ("POST", "PUT"):
        lines.append("Content-Length: %d" % len(body))
    with Raw(port, sock) as client:
        client.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return client.response(head=method == "HEAD")
