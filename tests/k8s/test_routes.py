"""HTTPRoutes of a real API server: when they are in force, and the status that they get. No node: what a sidecar would be told
is asked of the control plane."""
import pytest

from on_host import Mesh
from processes import wait_until

GROUP = "gateway.networking.k8s.io"
ROUTES = "httproutes." + GROUP


@pytest.fixture(scope="module")
def mesh(control):
    """The Gateway API is not installed yet."""
    made = Mesh(control)
    for name in ("web", "web-v2"):
        put_service(control, "shop", name)
    put_service(control, "stock", "api")
    return made


def put_service(cluster, ns, name):
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns, "labels": {"tulle.dev/inject": "enabled"}}},
                  {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns},
                   "spec": {"ports": [{"name": "http", "port": 80}]}})


def put_route(cluster, name, rules, parent="web"):
    cluster.apply({"apiVersion": GROUP + "/v1", "kind": "HTTPRoute", "metadata": {"name": name, "namespace": "shop"},
                   "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": parent}], "rules": rules}})


def to(name, **more):
    return {"backendRefs": [{"name": name, "port": 80, **more}]}


def conditions(cluster, name):
    """{type: (status, reason, generation it is about)}, of this control plane."""
    status = cluster.get("-n", "shop", ROUTES, name).get("status", {})
    return {each["type"]: (each["status"], each["reason"], each["observedGeneration"])
            for parent in status.get("parents", []) if parent["controllerName"] == "tulle.dev/mesh-controller"
            for each in parent["conditions"]}


def wait_for(cluster, name, accepted, resolved, generation=1):
    wanted = {"Accepted": accepted + (generation,), "ResolvedRefs": resolved + (generation,)}
    wait_until(lambda: conditions(cluster, name) == wanted, "%s: %s" % (name, conditions(cluster, name)))


ACCEPTED = ("True", "Accepted")
RESOLVED = ("True", "ResolvedRefs")


def in_force(mesh):
    return [line.split()[0] for line in mesh.tullectl("get", "httproutes", "-n", "shop").splitlines()[1:]]


def test_the_gateway_api_may_be_installed_later(mesh, gateway_api):
    assert mesh.http("127.0.0.1:15014/readyz") == "ok\n"
    assert "the cluster does not serve " + GROUP in mesh.control.log()
    mesh.cluster.kubectl("apply", "--server-side", "-f", gateway_api)
    mesh.cluster.wait_for("condition=Established", "crd/" + ROUTES)
    put_route(mesh.cluster, "first", [to("web-v2")])
    wait_for(mesh.cluster, "first", ACCEPTED, RESOLVED)
    assert in_force(mesh) == ["first"]
    mesh.cluster.kubectl("-n", "shop", "delete", ROUTES, "first")
    wait_until(lambda: in_force(mesh) == [], "the route is still in force")


def test_what_is_not_supported_is_said_and_not_in_force(mesh):
    put_route(mesh.cluster, "extended", [{"filters": [
        {"type": "ExtensionRef", "extensionRef": {"group": "x.io", "kind": "Filter", "name": "f"}}]}])
    wait_for(mesh.cluster, "extended", ("False", "UnsupportedValue"), RESOLVED)
    message = mesh.cluster.get("-n", "shop", ROUTES, "extended")["status"]["parents"][0]["conditions"][0]["message"]
    assert message.startswith("spec.rules[0].filters[0].type: filter ExtensionRef is not supported"), message
    assert "extended" not in in_force(mesh)
    put_route(mesh.cluster, "extended", [to("web-v2")])
    wait_for(mesh.cluster, "extended", ACCEPTED, RESOLVED, generation=2)
    assert "extended" in in_force(mesh)


def test_parents_and_backends_that_do_not_exist(mesh):
    put_route(mesh.cluster, "orphan", [to("web")], parent="later")
    wait_for(mesh.cluster, "orphan", ("False", "NoMatchingParent"), RESOLVED)
    put_service(mesh.cluster, "shop", "later")
    wait_for(mesh.cluster, "orphan", ACCEPTED, RESOLVED)
    put_route(mesh.cluster, "lost", [to("gone")])
    wait_for(mesh.cluster, "lost", ACCEPTED, ("False", "BackendNotFound"))
    put_route(mesh.cluster, "bucket", [{"backendRefs": [{"group": "x.io", "kind": "Bucket", "name": "b"}]}])
    wait_for(mesh.cluster, "bucket", ACCEPTED, ("False", "InvalidKind"))


def test_another_namespace_is_reached_by_a_grant(mesh):
    put_route(mesh.cluster, "abroad", [to("api", namespace="stock")])
    wait_for(mesh.cluster, "abroad", ACCEPTED, ("False", "RefNotPermitted"))
    mesh.cluster.apply({"apiVersion": GROUP + "/v1beta1", "kind": "ReferenceGrant", "metadata": {"name": "shop", "namespace": "stock"},
                        "spec": {"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": "shop"}],
                                 "to": [{"group": "", "kind": "Service"}]}})
    wait_for(mesh.cluster, "abroad", ACCEPTED, RESOLVED)
    mesh.cluster.kubectl("-n", "stock", "delete", "referencegrants." + GROUP, "shop")
    wait_for(mesh.cluster, "abroad", ACCEPTED, ("False", "RefNotPermitted"))


def test_a_grpc_route(mesh):
    mesh.cluster.apply({"apiVersion": GROUP + "/v1", "kind": "GRPCRoute", "metadata": {"name": "calls", "namespace": "shop"},
                        "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "web"}], "rules": [
                            {"matches": [{"method": {"service": "shop.Cart"}}], **to("web-v2")}]}})
    kind = "grpcroutes." + GROUP
    wait_until(lambda: "Accepted" in mesh.cluster.kubectl("-n", "shop", "get", kind, "calls", "-o", "jsonpath={.status}"),
               "the route has no status")
    assert "calls" in mesh.tullectl("get", "grpcroutes", "-n", "shop")


def test_entries_of_other_controllers_stay(mesh):
    put_route(mesh.cluster, "shared", [to("web-v2")])
    wait_for(mesh.cluster, "shared", ACCEPTED, RESOLVED)
    other = {"controllerName": "example.org/gateway", "parentRef": {"group": GROUP, "kind": "Gateway", "name": "gateway"},
             "conditions": [{"type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
                             "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    ours = mesh.cluster.get("-n", "shop", ROUTES, "shared")["status"]["parents"]
    patch = '{"status": {"parents": %s}}' % str([other] + ours).replace("'", '"')
    mesh.cluster.kubectl("-n", "shop", "patch", ROUTES, "shared", "--subresource=status", "--type=merge", "-p", patch)
    put_route(mesh.cluster, "shared", [to("gone")])
    wait_for(mesh.cluster, "shared", ACCEPTED, ("False", "BackendNotFound"), generation=2)
    parents = mesh.cluster.get("-n", "shop", ROUTES, "shared")["status"]["parents"]
    assert parents[0] == other
    # A condition that says the same as before keeps its time.
    assert parents[1]["conditions"][0]["lastTransitionTime"] == ours[0]["conditions"][0]["lastTransitionTime"]


def test_routes_are_changed_by_kubectl(mesh):
    put_route(mesh.cluster, "mine", [to("web-v2")])
    wait_for(mesh.cluster, "mine", ACCEPTED, RESOLVED)
    assert "origin: Kubernetes" in mesh.tullectl("get", "httproute", "mine", "-n", "shop", "-o", "yaml")
    text = mesh.cluster.path("route.yaml")
    with open(text, "w", encoding="utf-8") as file:
        file.write("apiVersion: %s/v1\nkind: HTTPRoute\nmetadata: {name: stored, namespace: shop}\n"
                   "spec: {parentRefs: [{kind: Service, name: web}], rules: [{}]}\n" % GROUP)
    assert "use `kubectl apply -f FILE`" in mesh.errors("apply", "-f", text)
    assert "use `kubectl -n shop delete httproutes mine`" in mesh.errors("delete", "httproute", "mine", "-n", "shop")
    assert "mine" in in_force(mesh)


def test_a_restart_of_the_api_server_loses_nothing(mesh):
    put_route(mesh.cluster, "kept", [to("web-v2")])
    wait_for(mesh.cluster, "kept", ACCEPTED, RESOLVED)
    mesh.cluster.restart_api_server()
    assert "kept" in in_force(mesh)
    put_route(mesh.cluster, "kept", [to("gone")])
    wait_for(mesh.cluster, "kept", ACCEPTED, ("False", "BackendNotFound"), generation=2)
