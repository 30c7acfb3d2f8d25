"""From the previous version to the present one and back, control plane first and sidecars after it, under 200 requests a second:
no request fails, and roots and policies stay."""
import json
import os
import subprocess

import pytest
import yaml

import previous
from meshed import Mesh, load_version
from processes import binary, wait_until
from test_rolling import APPS, NS, Shop
from workloads import load_python

POLICIES = """
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: all, namespace: tulle-system}
spec: {targetRef: {kind: Mesh}, mode: PERMISSIVE}
---
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: web, namespace: shop}
spec: {targetRef: {kind: Service, name: hooked}, mode: STRICT}
"""


class Version:
    """Programs, images and manifests of one version of Tulle."""

    def __init__(self, cluster, name, find):
        self.cluster = cluster
        self.name = name
        self._tullectl = find("control-plane/cli/tullectl")
        self.flags = load_version(cluster, name, find)

    def manifests(self):
        argv = [self._tullectl, "install", *self.flags]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def objects(self):
        return {(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"])
                for each in yaml.safe_load_all(self.manifests()) if each}

    def install(self, has_definitions=True):
        documents = [each for each in self.manifests().split("---\n") if has_definitions or "\nkind: CustomResourceDefinition\n" not in each]
        self.cluster.kubectl("apply", "--server-side", "-f", "-", stdin="---\n".join(documents))

    def replace(self, other, is_older):
        """As docs/kubernetes.md describes an upgrade, and the way back, on which the definitions stay."""
        for kind, ns, name in other.objects() - self.objects():
            if kind != "CustomResourceDefinition":
                self.cluster.kubectl("delete", kind, name, "--ignore-not-found", *(["-n", ns] if ns else []))
        self.install(has_definitions=not is_older)
        self.cluster.kubectl("-n", "tulle-system", "rollout", "status", "deployment/tulle-control", "--timeout=120s")


class LabelledMesh(Mesh):
    """Pods get their sidecars by the webhook, of the version of the control plane."""

    def inject(self, manifests):
        self.apply(manifests)


@pytest.fixture(scope="module")
def versions(cluster):
    if previous.missing():
        pytest.skip(previous.missing())
    return [Version(cluster, "previous", lambda label: os.path.join(previous.folder(), label)), Version(cluster, "present", binary)]


@pytest.fixture(scope="module")
def shop(cluster, versions):
    mesh = LabelledMesh(cluster, *versions[0].flags, install=lambda *_: versions[0].install())
    load_python(cluster)
    mesh.namespace(NS)
    mesh.policies(POLICIES)
    return Shop(cluster, mesh, "hooked", *APPS["hooked"])


def roots(cluster):
    return cluster.get("-n", NS, "configmap", "tulle-ca-root-cert")["data"]["root-cert.pem"]


def sidecars(shop):
    """The versions of the sidecars of the service."""
    return {each["image"].split(":")[-1] for one in shop.pods() for each in one["spec"]["initContainers"]
            if each["name"] == "tulle-sidecar"}


def await_connections(shop):
    """Waits until every sidecar hears of changes: those of the previous version try again after up to 30 s."""
    def is_connected(name):
        return any(line.startswith("tulle_xds_connected{") and line.endswith(" 1") for line in shop.mesh.metrics(NS, name))
    for name in ["load-" + shop.name] + [one["metadata"]["name"] for one in shop.pods()]:
        wait_until(lambda: is_connected(name), name + " is connected again", 60)


def change(shop, version, other, is_older):
    """To another version, step by step."""
    cluster = shop.cluster
    before = roots(cluster)
    version.replace(other, is_older)
    await_connections(shop)
    shop.check("control plane: " + version.name)
    cluster.kubectl("-n", NS, "rollout", "restart", "deployment/" + shop.name)
    shop.settled()
    shop.check("sidecars: " + version.name)
    assert sidecars(shop) == {version.name}
    assert roots(cluster) == before
    shop.mesh.policies(POLICIES)


def test_an_upgrade(shop, versions):
    assert sidecars(shop) == {"previous"}
    change(shop, versions[1], versions[0], is_older=False)


def store_newer(cluster):
    """A policy with a field that neither version knows, as if the definitions were those of a newer one."""
    future = {"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/future", "value": {"type": "string"}}
    # The webhook of a version that knows the field would let it pass.
    cluster.kubectl("delete", "validatingwebhookconfiguration", "-l", "app.kubernetes.io/part-of=tulle", "--ignore-not-found")
    cluster.kubectl("patch", "customresourcedefinition/peerauthentications.tulle.dev", "--type=json", "-p", json.dumps([future]))
    newer = POLICIES.split("---")[1].replace("name: web", "name: newer").replace("name: hooked", "name: other").replace(
        "mode: STRICT", "mode: STRICT, future: all")

    def is_stored():
        cluster.try_kubectl("apply", "-f", "-", stdin=newer)  # without the field until the API server has the new definition
        return "future" in cluster.get("-n", NS, "peerauthentication", "newer")["spec"]
    wait_until(is_stored, "the field is not stored")


def test_a_downgrade(shop, versions):
    store_newer(shop.cluster)
    change(shop, versions[0], versions[1], is_older=True)

    def accepted():
        status = shop.cluster.get("-n", NS, "peerauthentication", "newer").get("status", {})
        return next((each for each in status.get("conditions", []) if each["type"] == "Accepted"), {})
    wait_until(lambda: accepted().get("status") == "False", "the unknown field is not told")
    assert "future" in accepted()["message"]
    assert shop.cluster.get("-n", NS, "peerauthentication", "newer")["spec"]["future"] == "all", "the field is lost"
