"""The control plane reads a real API server: what it needs to be allowed, what becomes of Services and pods, and who gets a
certificate. No node: pods are objects, and their EndpointSlices are written by the test."""
import json
import signal
import subprocess

import pytest

from on_host import ADDRESS, Mesh, put_pod, token
from processes import wait_until


@pytest.fixture(scope="module")
def mesh(control):
    return Mesh(control)


def put_service(cluster, name, uid, ready=True):
    cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
         "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
         "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
         "ports": [{"name": "http", "port": 8080}],
         "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": ready},
                        "targetRef": {"kind": "Pod", "namespace": "shop", "name": name, "uid": uid}}]})


def test_services_follow_the_cluster(mesh):
    uid = put_pod(mesh.cluster, "web")
    put_service(mesh.cluster, "web", uid)
    wait_until(lambda: mesh.services().get(("shop", "web")) == ("80/http", "1/1"), "the Service is not in the mesh")
    put_service(mesh.cluster, "web", uid, ready=False)
    wait_until(lambda: mesh.services().get(("shop", "web")) == ("80/http", "0/1"), "the pod is still healthy")


def test_a_restart_of_the_api_server_loses_nothing(mesh):
    put_service(mesh.cluster, "kept", put_pod(mesh.cluster, "kept"))
    wait_until(lambda: ("shop", "kept") in mesh.services(), "the Service is not in the mesh")
    mesh.cluster.restart_api_server()
    assert ("shop", "kept") in mesh.services()
    mesh.cluster.kubectl("-n", "shop", "delete", "service", "kept")
    put_service(mesh.cluster, "later", put_pod(mesh.cluster, "later"))
    wait_until(lambda: ("shop", "kept") not in mesh.services(), "the Service is still in the mesh")
    wait_until(lambda: mesh.services().get(("shop", "later")) == ("80/http", "1/1"), "the new Service is not in the mesh")


def etcd(cluster, path, body):
    done = subprocess.run(cluster.namespace.argv("curl", "-sf", "-m", "10", "http://127.0.0.1:2379/v3/kv/" + path, "-d", json.dumps(body)),
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_what_was_compacted_is_listed_again(mesh):
    """Of changes that it has not seen, and that etcd does not remember."""
    put_service(mesh.cluster, "forgotten", put_pod(mesh.cluster, "forgotten"))
    wait_until(lambda: ("shop", "forgotten") in mesh.services(), "the Service is not in the mesh")
    mesh.control.process.send_signal(signal.SIGSTOP)
    try:
        mesh.cluster.kubectl("-n", "shop", "delete", "service", "forgotten")
        put_service(mesh.cluster, "unseen", put_pod(mesh.cluster, "unseen"))
        revision = etcd(mesh.cluster, "range", {"key": "Lw=="})["header"]["revision"]
        etcd(mesh.cluster, "compaction", {"revision": revision, "physical": True})
        mesh.cluster.restart_api_server()
    finally:
        mesh.control.process.send_signal(signal.SIGCONT)
    wait_until(lambda: ("shop", "forgotten") not in mesh.services(), "the Service is still in the mesh")
    wait_until(lambda: mesh.services().get(("shop", "unseen")) == ("80/http", "1/1"), "the new Service is not in the mesh")


def without_sidecar(mesh):
    """{namespace: pods} as the metric says."""
    prefix = 'tulle_control_pods_without_sidecar{namespace="'
    lines = [line[len(prefix):] for line in mesh.http("127.0.0.1:15014/metrics").splitlines() if line.startswith(prefix)]
    return {line.split('"')[0]: int(line.split()[-1]) for line in lines}


def test_pods_that_were_created_before_the_label_are_reported(mesh):
    def pod(name, labels):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "late", "labels": labels},
                "spec": {"serviceAccountName": "app", "automountServiceAccountToken": False,
                         "containers": [{"name": "app", "image": "none"}]}}
    mesh.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late"}},
                       {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "late"}},
                       pod("old", {}), pod("out", {"tulle.dev/inject": "disabled"}), pod("meshed", {"tulle.dev/meshed": "true"}))
    assert "late" not in without_sidecar(mesh)
    mesh.cluster.kubectl("label", "namespace", "late", "tulle.dev/inject=enabled")
    wait_until(lambda: without_sidecar(mesh).get("late") == 1, "the pod is not reported")
    said = mesh.tullectl("check")
    assert "WITHOUT A SIDECAR: 1 in late" in said and "kubectl -n late rollout restart deployment" in said, said
    mesh.cluster.kubectl("-n", "late", "delete", "pod", "old", "--force", "--grace-period=0")
    wait_until(lambda: "late" not in without_sidecar(mesh), "the pod is still reported")
    assert "WITHOUT A SIDECAR" not in mesh.tullectl("check")


def test_the_token_of_a_pod_becomes_its_identity(mesh):
    uid = put_pod(mesh.cluster, "shopper")
    sidecar = mesh.sidecar("shopper", uid, token(mesh.cluster, "shopper"))
    wait_until(lambda: "main: ready" in sidecar.log(), "the sidecar is not ready: " + sidecar.log())
    assert "identity spiffe://cluster.local/ns/shop/sa/shopper" in sidecar.log()
    assert [line.split()[2] for line in mesh.tullectl("status").splitlines()[1:] if line.startswith("shopper.shop ")] == ["SYNCED"]
    sidecar.stop()


@pytest.mark.parametrize("kind", ["audience", "deleted"])
def test_other_tokens_are_refused(mesh, kind):
    name = "stranger-" + kind
    uid = put_pod(mesh.cluster, name)
    text = token(mesh.cluster, name, "other" if kind == "audience" else "tulle")
    if kind == "deleted":
        mesh.cluster.kubectl("-n", "shop", "delete", "pod", name, "--grace-period=0", "--force")
    sidecar = mesh.sidecar(name, uid, text)
    wait_until(lambda: "the API server refused the service account's token" in sidecar.log(),
               "it is not refused: " + sidecar.log())
    assert "identity spiffe" not in sidecar.log()
    assert "got no certificate: the API server refused" in mesh.control.log()
    sidecar.stop()
