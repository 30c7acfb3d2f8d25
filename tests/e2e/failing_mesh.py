"""A small mesh whose service fails in the way that it is told to, and requests of which nothing is known but an ID."""
import json
import socket
import threading
import time
import uuid

from byte_server import ByteServer, echo
from control import Refused
from h2raw import H2, request
from http2_server import Http2Server
from hyperframe import frame as frames
from mesh import Mesh
from origin import Malformed, reply
import processes
import raw

GRPC = [("content-type", "application/grpc"), ("te", "trailers")]
GRPC_PORT, BYTES_PORT, STUCK_PORT, GONE_PORT, ROUTED_PORT = 9090, 5432, 8081, 8082, 8083
POLICIES = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{kind: Service, name: web, port: 80}]
  rules:
  - matches: [{path: {type: Exact, value: /slow/request}}]
    backendRefs: [{name: web, port: 80}]
    timeouts: {request: 300ms}
  - matches: [{path: {type: Exact, value: /slow/attempt}}]
    backendRefs: [{name: web, port: 80}]
    timeouts: {backendRequest: 300ms}
    retry: {attempts: 1}
  - matches: [{path: {type: Exact, value: /nowhere}}]
  - backendRefs: [{name: web, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: narrow}
spec:
  parentRefs: [{kind: Service, name: web, port: 8083}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /only}}]
    backendRefs: [{name: web, port: 8083}]
---
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: closed}
spec:
  targetRef: {kind: Service, name: web}
  action: DENY
  rules: [{from: {principals: [ns/default/sa/caller]}, to: {paths: [/denied]}}]
"""
RESILIENCE = """\
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: web}
spec: {targetRef: {kind: Service, name: web}, retries: {attempts: 0}, %s}
"""
USUAL = "breaker: {consecutiveFailures: 0}"


class Asked:
    """A request: its ID, the status of its answer (0: none), and the cause in the header of that."""

    def __init__(self, number, status=0, header=None):
        self.id = number
        self.status = status
        self.header = header


class FullSocket:
    """Listens, and lets nobody connect."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.held = []
        for _ in range(8):
            self.held.append(socket.socket())
            self.held[-1].setblocking(False)
            self.held[-1].connect_ex(("127.0.0.1", self.port))

    def close(self):
        for each in [self.listener, *self.held]:
            each.close()


def rpc(path, stream, encoder):
    """What the application of the gRPC port answers."""
    if path.endswith("/Refused"):
        return [frames.RstStreamFrame(stream, error_code=7)]
    if path.endswith("/Reset"):
        return [frames.RstStreamFrame(stream, error_code=2)]
    if path.endswith("/Away"):
        return [frames.GoAwayFrame(0, last_stream_id=0)]
    if path.endswith("/Slow"):
        return None
    head = frames.HeadersFrame(stream, encoder.encode([(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")]))
    head.flags.add("END_HEADERS")
    head.flags.add("END_STREAM")
    return [head]


class FailingMesh:
    """`web`, which has several ports, and its `caller`."""

    def __init__(self, folder):
        self.over = threading.Event()
        self.mesh = Mesh(folder)
        self.rpc, self.bytes, self.stuck = Http2Server(rpc), ByteServer(echo), FullSocket()
        self.web = self.add("web", *("--inbound=%d:%d:%s" % (processes.free_port(), port, what) for port, what in (
            (self.rpc.port, "%d/grpc" % GRPC_PORT), (self.bytes.port, "%d/tcp" % BYTES_PORT), (self.stuck.port, "%d/http" % STUCK_PORT),
            (processes.free_port(), "%d/http" % GONE_PORT))), "--inbound=%d:ORIGIN:%d/http" % (processes.free_port(), ROUTED_PORT))
        self.web.origin.answer = self.answer
        self.caller = self.add("caller")
        self.mesh.apply(POLICIES)
        self.resilience = None
        self.use(USUAL)
        processes.wait_until(lambda: self.ask("/").status == 200 and self.call("/a.B/C").status == 200, "the mesh answers")
        processes.wait_until(lambda: self.ask("/denied").status == 403 and self.ask(host="web:8083").status == 404, "the policies are in force")

    def add(self, name, *arguments):
        workload = self.mesh.new_workload(name)
        self.mesh.make_token(name)
        own = [each.replace("ORIGIN", str(workload.origin.port)) for each in arguments]
        self.mesh.start_sidecar(workload, "--cause-header", *own)
        workload.instance = self.mesh.wait_in_step(workload)
        processes.wait_until(lambda: processes.listening(workload.outbound), name + " listens")
        return workload

    def use(self, resilience):
        """The caller's ResiliencePolicy for web, if it is not in use already."""
        if resilience != self.resilience:
            self.mesh.apply(RESILIENCE % resilience)
            self.resilience = resilience

    def answer(self, got, sock):
        if got.path.startswith("/slow"):
            self.over.wait(3)
        if got.path in ("/slow/closes", "/closes"):
            raise EOFError
        if got.path == "/resets":
            raise ConnectionAbortedError
        if got.path == "/garbage":
            return b"SSH-2.0-OpenSSH_9.2\r\n\r\n"
        if got.path in ("/fails", "/unhealthy"):
            return reply(b"", "503 Service Unavailable")
        if got.path == "/cut":
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
            raise EOFError
        return reply()

    def send(self, data, number=None):
        """Bytes on a connection of their own; without a number, the answer has the ID."""
        with raw.Raw(self.caller.outbound) as client:
            client.sock.settimeout(20)
            client.send(data)
            try:
                got = client.response()
            except (EOFError, OSError, Malformed):
                return Asked(number)
        return Asked(number or got.header("x-request-id")[0], got.status, (got.header("x-tulle-cause") or [None])[0])

    def ask(self, path="/", host="web", method="GET", headers=(), body=b""):
        """An ordinary request with an ID of ours."""
        number = str(uuid.uuid4())
        lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + host, "x-request-id: " + number, *headers]
        if body:
            lines.append("Content-Length: %d" % len(body))
        return self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body, number)

    def call(self, path, *more, end=True, then=None):
        """A gRPC call; `then(client, stream)` says what follows its head."""
        number = str(uuid.uuid4())
        with H2(self.caller.outbound) as client:
            stream = client.open(request("POST", path, "web:%d" % GRPC_PORT, extra=[*GRPC, ("x-request-id", number), *more]), end)
            if then is not None:
                then(client, stream)
            status = client.status(stream)
            headers = dict(client.headers.get(stream, ()))
        return Asked(number, status or 0, headers.get("x-tulle-cause"))

    def explained(self, number):
        """What `tullectl explain` says of it; None: nobody knows it yet."""
        try:
            return json.loads(self.mesh.tullectl("explain", number, "-o", "json"))
        except Refused:
            return None

    def explained_as(self, cause, ask):
        """A request for which explain gives that cause: asked again until it does, since a policy may not be in force yet."""
        seen = []

        def found():
            asked = ask(self)
            for _ in range(10):  # its record is written when it has ended
                what = asked.id and self.explained(asked.id)
                verdict = (what or {}).get("verdict", {})
                if verdict.get("cause") == cause:
                    return asked
                time.sleep(0.05)
            seen.append(verdict.get("cause", "nothing"))
            return None
        try:
            return processes.wait_until(found, "", 30)
        except AssertionError:
            raise AssertionError("explain says %s instead of %s" % (sorted(set(seen)), cause)) from None

    def close(self):
        self.over.set()
        self.mesh.close()
        for each in (self.rpc, self.bytes, self.stuck):
            each.close()
