"""Routes of several owners for one Service are merged, backends have filters of their own, and gRPC calls are routed by method."""
import grpc
import processes
import pytest
import raw
from mesh import Mesh

OF_THE_TEAM = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post}
spec:
  parentRefs: [{kind: Service, name: post}]
  rules:
  - name: everything
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: by-the-rule}]}}
    backendRefs:
    - name: post
      port: 80
      filters:
      - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: by-the-backend}], remove: [x-secret]}}
      - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-from, value: post}]}}
"""
OF_ANOTHER_TEAM = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: images}
spec:
  parentRefs: [{kind: Service, name: post}]
  rules:
  - matches: [{path: {value: /images}}]
    backendRefs: [{name: store, port: 80}]
"""
CALLS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls}
spec:
  parentRefs: [{kind: Service, name: post}]
  rules:
  - matches: [{method: {service: shop.Cart, method: Add}}]
    backendRefs: [{name: store, port: 80}]
  - matches: [{method: {service: shop.Cart}}]
    backendRefs: [{name: post, port: 80}]
  - matches: [{method: {service: shop.Gone}}]
"""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    folder = tmp_path_factory.mktemp("routes")
    made = Mesh(folder, "--access-log-file", str(folder / "access.log"))
    made.access_log = folder / "access.log"
    try:
        made.post, made.store, made.caller = made.add("post"), made.add("store"), made.add("caller")
        yield made
    finally:
        made.close()


def ask(mesh, path, **more):
    return raw.get(mesh.caller.outbound, path, host="post", **more)


def test_routes_of_one_service_are_merged_and_backends_have_filters(mesh):
    mesh.tullectl("apply", "-f", "-", text=OF_THE_TEAM)
    processes.wait_until(lambda: ask(mesh, "/images/a").header("x-from") == ["post"], "the team's route is in force")
    mesh.tullectl("apply", "-f", "-", text=OF_ANOTHER_TEAM)
    processes.wait_until(lambda: ask(mesh, "/images/a").header("x-from") == [], "the route for images is in force")
    seen = len(mesh.store.origin.requests)
    assert ask(mesh, "/images/a").status == 200
    assert len(mesh.store.origin.requests) == seen + 1

    answer = ask(mesh, "/other", headers=[("x-secret", "1"), ("x-set", "by-the-caller")])
    assert answer.status == 200 and answer.header("x-from") == ["post"]
    request = mesh.post.origin.requests[-1]
    assert request.header("x-set") == ["by-the-backend"] and request.header("x-secret") == []
    # The name of the rule is part of the route's.
    processes.wait_until(lambda: mesh.access_log.exists() and "default/post/everything[0]" in mesh.access_log.read_text(), "the access log names the rule")


def test_calls_are_routed_by_service_and_method(mesh):
    shown = mesh.tullectl("apply", "-f", "-", text=CALLS)
    assert "grpcroute" in shown.lower()
    processes.wait_until(lambda: ask(mesh, "/images/a").status == 404, "only the GRPCRoute is in force")
    posts, stores = len(mesh.post.origin.requests), len(mesh.store.origin.requests)
    assert ask(mesh, "/shop.Cart/Add", method="POST").status == 200
    assert ask(mesh, "/shop.Cart/Remove", method="POST").status == 200
    assert (len(mesh.post.origin.requests), len(mesh.store.origin.requests)) == (posts + 1, stores + 1)
    assert mesh.store.origin.requests[-1].path == "/shop.Cart/Add"

    options = [("grpc.default_authority", "post")]
    with grpc.insecure_channel("127.0.0.1:%d" % mesh.caller.outbound, options) as channel:
        for method, code in (("/shop.Gone/Any", grpc.StatusCode.UNAVAILABLE), ("/shop.Else/Any", grpc.StatusCode.UNIMPLEMENTED)):
            with pytest.raises(grpc.RpcError) as error:
                channel.unary_unary(method)(b"", timeout=20)
            assert error.value.code() == code, method
    assert "GRPCRoute" in mesh.tullectl("get", "grpcroutes", "-o", "yaml")
