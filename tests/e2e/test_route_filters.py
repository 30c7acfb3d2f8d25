"""HTTPRoute's redirect, rewrite and mirror, as a user says them; and that a mirror costs the request nothing."""
import socket
import time

import bootstrap
import processes
import raw
from mesh import Mesh

POLICY = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post}
spec:
  parentRefs: [{kind: Service, name: post}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /old}}]
    filters:
    - type: RequestRedirect
      requestRedirect: {scheme: https, hostname: new.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}, statusCode: 301}
  - matches: [{path: {type: PathPrefix, value: /api}}]
    filters:
    - {type: URLRewrite, urlRewrite: {hostname: inside.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
    backendRefs: [{name: post, port: 80}]
  - matches: [{path: {type: Exact, value: /one}}]
    filters:
    - {type: URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /other}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 80}}}
    backendRefs: [{name: post, port: 80}]
"""


def test_redirect_rewrite_and_mirror_of_an_http_route(tmp_path):
    mesh = Mesh(tmp_path)
    try:
        post, caller, shadow = mesh.add("post"), mesh.add("caller"), mesh.add("shadow")
        mesh.tullectl("apply", "-f", "-", text=POLICY)
        processes.wait_until(lambda: raw.get(caller.outbound, "/old", host="post").status == 301, "the route is in force")
        moved = raw.get(caller.outbound, "/old/a?q=1", host="post")
        assert moved.header("location") == ["https://new.test/new/a?q=1"]

        assert raw.get(caller.outbound, "/api/x?q=1", host="post").status == 200
        assert raw.get(caller.outbound, "/api", host="post").status == 200
        first, second = post.origin.requests[-2:]
        assert (first.path, second.path) == ("/x?q=1", "/")
        assert first.header("host") == ["inside.test"]

        assert raw.get(caller.outbound, "/one?q=1", host="post", method="POST", body=b"hello").status == 200
        assert post.origin.requests[-1].path.startswith("/other")
        processes.wait_until(lambda: shadow.origin.requests, "the mirror")
        copy = shadow.origin.requests[0]
        assert copy.method == "POST" and copy.body == b"hello" and copy.path == post.origin.requests[-1].path
        assert copy.header("host") == ["post-shadow"]
        assert raw.get(caller.outbound, "/nowhere", host="post").status == 404
    finally:
        mesh.close()


def test_a_mirror_that_never_answers_costs_the_request_nothing(run_sidecar, origin):
    port = processes.free_port()
    mute = socket.create_server(("127.0.0.1", 0), backlog=512)
    route = bootstrap.route(request_mirror_policies=[{"cluster": "mirror"}, {"cluster": "dead"}])
    sidecar = run_sidecar(
        [bootstrap.listener(port, bootstrap.connection_manager([route], codec="HTTP1"))],
        [bootstrap.cluster(ports=[origin.port]), bootstrap.cluster("mirror", [mute.getsockname()[1]]),
         bootstrap.cluster("dead", [processes.free_port()])])
    began = time.monotonic()
    for _ in range(50):
        assert raw.get(port, "/", method="POST", body=b"x" * 300_000).status == 200
    assert time.monotonic() - began < 20
    assert len(origin.requests) == 50 and all(r.body_size == 300_000 for r in origin.requests)

    def counted():
        return sum(v for (name, _), v in sidecar.metrics().items() if name == "tulle_mirrored_requests_total")
    processes.wait_until(lambda: counted() >= 50, "mirrors that were given up are counted")
    mute.close()


def test_a_mirror_gets_its_share(run_sidecar, make_origin):
    port, main, copy = processes.free_port(), make_origin(), make_origin()
    route = bootstrap.route(request_mirror_policies=[
        {"cluster": "mirror", "runtime_fraction": {"default_value": {"numerator": 50}}, "disable_shadow_host_suffix_append": True}])
    run_sidecar([bootstrap.listener(port, bootstrap.connection_manager([route], codec="HTTP1"))],
                [bootstrap.cluster(ports=[main.port]), bootstrap.cluster("mirror", [copy.port])])
    for _ in range(200):
        assert raw.get(port, "/", host="shop.test:8080").status == 200
    processes.wait_until(lambda: len(copy.requests) > 50, "copies")
    assert 50 < len(copy.requests) < 150
    assert {r.header("host")[0] for r in copy.requests} == {"shop.test:8080"}
