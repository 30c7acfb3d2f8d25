"""The admission webhook as the API server calls it: who is injected, who is refused, and what happens without it."""
import base64
import json

import pytest

from meshed import Mesh
from processes import wait_until

CONFIGURATION = "mutatingwebhookconfiguration/tulle-inject"


@pytest.fixture(scope="module")
def mesh(cluster):
    made = Mesh(cluster)
    made.namespace("shop")
    return made


def pod(name="web", labels=None, annotations=None, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}, "annotations": annotations or {}},
            "spec": {"containers": [{"name": "web", "image": "none"}], **spec}}


def create(mesh, what, ns="shop"):
    """Creates nothing, but asks the webhook. The answer of kubectl."""
    return mesh.cluster.try_kubectl("-n", ns, "create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(what))


def containers(mesh, what, ns="shop"):
    done = create(mesh, what, ns)
    assert done.returncode == 0, done.stderr
    spec = json.loads(done.stdout)["spec"]
    return [each["name"] for each in spec.get("initContainers", []) + spec["containers"]]


def bundles(mesh):
    webhooks = mesh.cluster.get(CONFIGURATION)["webhooks"]
    return [base64.b64decode(each["clientConfig"].get("caBundle", "")).decode() for each in webhooks]


def roots(mesh):
    return mesh.cluster.get("-n", "shop", "configmap", "tulle-ca-root-cert")["data"]["root-cert.pem"]


def metric(mesh, series):
    address = mesh.cluster.get("-n", "tulle-system", "pod", "-l", "app=tulle-control")["items"][0]["status"]["podIP"]
    lines = mesh.curl("http://%s:15014/metrics" % address).splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith(series))


def test_labels_decide(mesh):
    assert containers(mesh, pod()) == ["tulle-init", "tulle-sidecar", "web"]
    assert containers(mesh, pod(labels={"tulle.dev/inject": "disabled"})) == ["web"]
    mesh.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain"}})
    assert containers(mesh, pod(), ns="plain") == ["web"]


def test_a_pod_on_the_nodes_network_stays_as_it_is(mesh):
    before = metric(mesh, 'tulle_control_admission_skipped_total{reason="host_network"}')
    assert containers(mesh, pod(hostNetwork=True)) == ["web"]
    assert metric(mesh, 'tulle_control_admission_skipped_total{reason="host_network"}') == before + 1


def test_kubectl_shows_why_a_pod_is_refused(mesh):
    before = metric(mesh, 'tulle_control_admission_reviews_total{result="refused"}')
    done = create(mesh, pod(annotations={"tulle.dev/log-level": "loud"}))
    assert done.returncode != 0
    assert 'admission webhook "inject.tulle.dev" denied the request: tulle cannot inject the pod: annotation ' \
           'tulle.dev/log-level: invalid value "loud"' in done.stderr
    assert metric(mesh, 'tulle_control_admission_reviews_total{result="refused"}') == before + 1


def test_a_bundle_that_was_overwritten_is_corrected(mesh):
    right = roots(mesh)
    assert bundles(mesh) == [right]
    wrong = base64.b64encode(b"").decode()
    mesh.cluster.kubectl("patch", CONFIGURATION, "--type=json", "-p", json.dumps(
        [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": wrong}]))
    wait_until(lambda: bundles(mesh) == [right], "the bundle was not corrected")
    wait_until(lambda: create(mesh, pod()).returncode == 0, "pods are not injected any more")


def test_the_bundle_follows_a_rotation(mesh):
    before = roots(mesh)
    mesh.tullectl("cert", "rotate")
    wait_until(lambda: before not in (roots(mesh), *bundles(mesh)) and bundles(mesh) == [roots(mesh)], "the bundle is the old one")
    wait_until(lambda: containers(mesh, pod()) == ["tulle-init", "tulle-sidecar", "web"], "pods are not injected any more")


REVIEW = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
          "request": {"uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "operation": "CREATE",
                      "namespace": "shop", "object": pod()}}
STRANGERS = {
    "a review": (["-d", json.dumps(REVIEW)], 200, True),
    "an older version": (["-d", json.dumps({**REVIEW, "apiVersion": "admission.k8s.io/v1beta1"})], 400, True),
    "garbage": (["-d", "\1{[]]"], 400, True),
    "text": (["-H", "content-type: text/plain", "-d", "x"], 415, False),
    "a form": (["-H", "content-type: application/x-www-form-urlencoded", "-d", "a=b"], 415, False),
    "a GET": (["-G"], 405, True),
    "10 MB": (["-H", "expect:", "--data-binary", "@-"], 413, True),
    "slowness": (["--limit-rate", "100", "-d", " " * 4000], 408, True),
}


@pytest.mark.parametrize("what", STRANGERS)
def test_a_stranger_gets_an_answer(mesh, what):
    arguments, status, is_json = STRANGERS[what]
    address = mesh.cluster.get("-n", "tulle-system", "service", "tulle-control")["spec"]["clusterIP"]
    header = ["-H", "content-type: application/json"] if is_json else []
    answer = mesh.curl("-k", "-w", "\n%{http_code}", *header, *arguments, "https://%s/inject" % address, stdin=b" " * 10_000_000)
    assert answer.splitlines()[-1] == str(status), answer
    assert containers(mesh, pod()) == ["tulle-init", "tulle-sidecar", "web"]


def test_fault_82_without_the_webhook_only_labelled_namespaces_wait(mesh):
    mesh.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain"}})
    mesh.cluster.kubectl("-n", "tulle-system", "scale", "deployment/tulle-control", "--replicas=0")
    wait_until(lambda: not mesh.cluster.get("-n", "tulle-system", "pod")["items"], "the control plane does not end")
    done = create(mesh, pod())
    assert done.returncode != 0
    assert 'failed calling webhook "inject.tulle.dev"' in done.stderr
    assert containers(mesh, pod(), ns="plain") == ["web"]
    assert containers(mesh, pod(labels={"tulle.dev/inject": "disabled"})) == ["web"]
    mesh.cluster.kubectl("-n", "tulle-system", "scale", "deployment/tulle-control", "--replicas=1")
    mesh.await_control()
    wait_until(lambda: create(mesh, pod()).returncode == 0, "pods are not injected again")
