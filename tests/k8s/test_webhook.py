"""The admission webhooks as the API server calls them: who is injected, what is refused, and what happens without them."""
import base64
import json
import subprocess

import pytest

from meshed import Mesh
from processes import binary, wait_until

INJECTION = "mutatingwebhookconfiguration/tulle-inject"
VALIDATION = "validatingwebhookconfiguration/tulle-validate"


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


def bundles(mesh, configuration=INJECTION):
    webhooks = mesh.cluster.get(configuration)["webhooks"]
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


def test_no_pod_of_a_large_deployment_is_refused(mesh):
    """The API server asks about 200 pods at once."""
    count = 500
    mesh.cluster.apply({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "large", "namespace": "shop"},
        "spec": {"replicas": count, "selector": {"matchLabels": {"app": "large"}}, "template": {
            "metadata": {"labels": {"app": "large"}},
            "spec": {"schedulingGates": [{"name": "tulle.dev/test"}], "containers": [{"name": "web", "image": "none"}]}}}})
    try:
        wait_until(lambda: mesh.cluster.get("-n", "shop", "deployment/large")["status"].get("replicas") == count, "all pods exist", 120)
        pods = mesh.cluster.get("-n", "shop", "pod", "-l", "app=large")["items"]
        assert all(len(each["spec"]["initContainers"]) == 2 for each in pods)
        events = mesh.cluster.get("-n", "shop", "events")["items"]
        assert [each["message"] for each in events if each["reason"] == "FailedCreate"] == []
    finally:
        mesh.cluster.kubectl("-n", "shop", "delete", "deployment/large", "--wait=false")


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


def principal(name):
    """A policy that the schema accepts. The parser does so if the name is an identity."""
    return {"apiVersion": "tulle.dev/v1alpha1", "kind": "AuthorizationPolicy", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"targetRef": {"kind": "Service", "name": "web"}, "action": "DENY", "rules": [{"from": {"principals": [name]}}]}}


VALID = principal("spiffe://cluster.local/ns/shop/sa/web")
ODD = principal("not an identity")
FIELD = "spec.rules[0].from.principals[0]"


def put(mesh, what, *arguments):
    """The answer of kubectl."""
    return mesh.cluster.try_kubectl("apply", *arguments, "-f", "-", stdin=json.dumps(what))


def accepted(mesh):
    """(status, reason) of the policy's present version."""
    found = mesh.cluster.get("-n", "shop", "authorizationpolicy", "web")
    for each in found.get("status", {}).get("conditions", []):
        if each["observedGeneration"] == found["metadata"]["generation"]:
            return each["status"], each["reason"]
    return None


@pytest.fixture
def policy(mesh):
    """In force; the API server asks about each change of it."""
    wait_until(lambda: bundles(mesh, VALIDATION) == [roots(mesh)], "the API server does not trust the webhook")
    # kube-proxy leads the API server there, some moments after the control plane is ready.
    wait_until(lambda: put(mesh, ODD, "--dry-run=server").returncode != 0, "nothing is refused")
    done = put(mesh, VALID)
    assert done.returncode == 0, done.stderr
    wait_until(lambda: accepted(mesh) == ("True", "Accepted"), "the policy is not in force")
    yield
    mesh.cluster.kubectl("-n", "shop", "delete", "authorizationpolicy", "web", "--ignore-not-found")


def test_an_edit_that_only_the_parser_finds_invalid_is_refused(mesh, policy):
    refused = 'tulle_control_policy_reviews_total{result="refused"}'
    before = metric(mesh, refused)
    done = put(mesh, ODD)
    assert done.returncode != 0
    said = done.stderr.partition('admission webhook "validate.tulle.dev" denied the request: ')[2].strip()
    assert said.startswith(FIELD + ": "), done.stderr
    # What is stored is what is in force.
    assert mesh.cluster.get("-n", "shop", "authorizationpolicy", "web")["spec"] == VALID["spec"]
    assert accepted(mesh) == ("True", "Accepted")
    assert metric(mesh, refused) == before + 1
    # `tullectl validate` says the same.
    offline = subprocess.run([binary("control-plane/cli/tullectl"), "validate", "-f", "-"], input=json.dumps(ODD), capture_output=True,
                             text=True, check=False)
    assert said.partition(" (")[0] in offline.stderr, (said, offline.stderr)


def test_what_belongs_to_others_is_not_asked_about(mesh, policy):
    """Status and deletion; routes of the Gateway API, whose status says what is wrong."""
    total = 'tulle_control_policy_reviews_total'
    before = metric(mesh, total)
    mesh.cluster.kubectl("-n", "shop", "patch", "authorizationpolicy", "web", "--subresource=status", "--type=merge", "-p",
                         json.dumps({"status": {"conditions": []}}))
    mesh.cluster.kubectl("-n", "shop", "delete", "authorizationpolicy", "web")
    assert metric(mesh, total) == before
    resources = mesh.cluster.get(VALIDATION)["webhooks"][0]["rules"][0]
    assert resources["apiGroups"] == ["tulle.dev"]


def test_the_api_server_says_that_it_does_not_trust_the_certificate(mesh, policy):
    """With another bundle, as after a restore: a configuration of another name, which the control plane leaves alone."""
    copy = mesh.cluster.get(VALIDATION)
    copy["metadata"] = {"name": "copy"}
    copy["webhooks"][0]["failurePolicy"] = "Fail"
    with open(mesh.cluster.credentials.path("ca.crt"), "rb") as other:
        copy["webhooks"][0]["clientConfig"]["caBundle"] = base64.b64encode(other.read()).decode()
    mesh.cluster.apply(copy)
    try:
        def try_it():
            return put(mesh, principal("spiffe://cluster.local/ns/shop/sa/b"), "--dry-run=server")
        wait_until(lambda: "x509: certificate signed by unknown authority" in try_it().stderr, "it is trusted")
        copy["webhooks"][0]["failurePolicy"] = "Ignore"
        mesh.cluster.apply(copy)
        wait_until(lambda: try_it().returncode == 0, "it is refused")
    finally:
        mesh.cluster.kubectl("delete", "validatingwebhookconfiguration", "copy")


@pytest.mark.parametrize("configuration", [INJECTION, VALIDATION])
def test_a_bundle_that_was_overwritten_is_corrected(mesh, configuration):
    right = roots(mesh)
    assert bundles(mesh, configuration) == [right]
    wrong = base64.b64encode(b"").decode()
    mesh.cluster.kubectl("patch", configuration, "--type=json", "-p", json.dumps(
        [{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": wrong}]))
    wait_until(lambda: bundles(mesh, configuration) == [right], "the bundle was not corrected")
    wait_until(lambda: create(mesh, pod()).returncode == 0, "pods are not injected any more")
    wait_until(lambda: put(mesh, ODD, "--dry-run=server").returncode != 0, "policies are not checked any more")


def test_the_bundles_follow_a_rotation(mesh):
    before = roots(mesh)
    mesh.tullectl("cert", "rotate")
    for configuration in (INJECTION, VALIDATION):
        wait_until(lambda each=configuration: before not in (roots(mesh), *bundles(mesh, each)) and bundles(mesh, each) == [roots(mesh)],
                   "the bundle is the old one")
    wait_until(lambda: containers(mesh, pod()) == ["tulle-init", "tulle-sidecar", "web"], "pods are not injected any more")
    wait_until(lambda: put(mesh, ODD, "--dry-run=server").returncode != 0, "policies are not checked any more")


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


def test_a_stranger_learns_only_what_the_parser_says(mesh):
    address = mesh.cluster.get("-n", "tulle-system", "service", "tulle-control")["spec"]["clusterIP"]
    kind = {"group": "tulle.dev", "version": "v1alpha1", "kind": "AuthorizationPolicy"}
    request = {"uid": "1", "kind": kind, "operation": "CREATE", "namespace": "shop", "name": "web", "object": ODD}

    def ask(text):
        return mesh.curl("-k", "-H", "content-type: application/json", "-d", text, "https://%s/validate" % address)
    answer = json.loads(ask(json.dumps({**REVIEW, "request": request})))["response"]
    assert not answer["allowed"] and answer["status"]["message"].startswith(FIELD)
    assert json.loads(ask(json.dumps({**REVIEW, "request": {**request, "operation": "DELETE"}})))["response"]["allowed"]
    assert ask("{") == "not JSON\n"


def test_fault_82_without_the_webhook_only_labelled_namespaces_wait(mesh):
    mesh.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain"}})
    mesh.cluster.kubectl("-n", "tulle-system", "scale", "deployment/tulle-control", "--replicas=0")
    wait_until(lambda: not mesh.cluster.get("-n", "tulle-system", "pod")["items"], "the control plane does not end")
    done = create(mesh, pod())
    assert done.returncode != 0
    assert 'failed calling webhook "inject.tulle.dev"' in done.stderr
    assert containers(mesh, pod(), ns="plain") == ["web"]
    assert containers(mesh, pod(labels={"tulle.dev/inject": "disabled"})) == ["web"]
    # Policies are stored unchecked. Their status says so later, and they can be labelled and deleted.
    assert put(mesh, ODD).returncode == 0
    mesh.cluster.kubectl("-n", "tulle-system", "scale", "deployment/tulle-control", "--replicas=1")
    mesh.await_control()
    wait_until(lambda: create(mesh, pod()).returncode == 0, "pods are not injected again")
    wait_until(lambda: accepted(mesh) == ("False", "Invalid"), "the status does not say that it is invalid")
    wait_until(lambda: put(mesh, principal("not one either"), "--dry-run=server").returncode != 0, "policies are not checked again")
    mesh.cluster.kubectl("-n", "shop", "label", "authorizationpolicy", "web", "team=shop")
    mesh.cluster.kubectl("-n", "shop", "delete", "authorizationpolicy", "web")
