"""The chart of `tullectl install --chart`, with the real helm: it installs the same objects, upgrades and uninstalls them."""
import os
import subprocess

import pytest
import yaml

import programs
from meshed import Mesh, tullectl
from processes import wait_until
from workloads import deployment, load_python, python, service

NS = "shop"
RELEASE = ("tulle", "-n", "tulle-system")


def identity(item):
    return item["apiVersion"], item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]


def objects(text):
    """By kind and name; without the namespace, which helm creates itself."""
    return {identity(item): item for item in yaml.safe_load_all(text) if item and item["kind"] != "Namespace"}


class Chart:
    """The chart in a folder, and helm."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.folder = cluster.path("chart")
        tullectl("install", "--chart", self.folder)

    def helm(self, *arguments):
        # What helm stores for its user is kept beside the cluster.
        homes = {"HELM_%s_HOME" % each: self.cluster.path("helm-" + each.lower()) for each in ("CACHE", "CONFIG", "DATA")}
        argv = self.cluster.namespace.argv(programs.path(programs.HELM), "--kubeconfig", self.cluster.admin, *arguments)
        done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **homes}, check=False)
        assert done.returncode == 0, "helm %s: %s" % (" ".join(arguments), done.stderr)
        return done.stdout

    def install(self, _cluster):
        self.helm("install", *RELEASE, self.folder, "--create-namespace", "--wait")


@pytest.fixture(scope="module")
def chart(cluster):
    if not os.access(programs.path(programs.HELM), os.X_OK):
        pytest.skip("helm is not built: run tests/k8s/programs.py")
    return Chart(cluster)


def test_the_chart_has_the_objects_of_tullectl_install(chart):
    rendered = objects(chart.helm("template", *RELEASE, chart.folder, "--include-crds", "--kube-version", programs.KUBERNETES))
    printed = objects(tullectl("install"))
    assert set(rendered) == set(printed)
    for each, item in printed.items():
        assert rendered[each] == item, each


@pytest.fixture(scope="module")
def mesh(cluster, chart):
    made = Mesh(cluster, install=chart.install)
    load_python(cluster)
    made.namespace(NS)
    return made


def call(cluster):
    return cluster.try_kubectl("-n", NS, "exec", "deployment/web", "-c", "web", "--", "curl", "-sS", "-m", "10", "http://web/").stdout


def test_pods_are_meshed_after_helm_install(cluster, mesh):
    cluster.apply(service(NS, "web", (80, 8080)), deployment(NS, "web", 1, python("web", "web", 8080)))
    cluster.wait_for("condition=Available", "-n", NS, "deployment/web")
    # The pod has no readiness probe: it is ready before its application listens.
    wait_until(lambda: call(cluster).startswith("web-"), "the pod is called")
    pod = cluster.get("-n", NS, "pods", "-l", "app=web")["items"][0]
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["tulle-init", "tulle-sidecar"]


def test_helm_upgrade_keeps_the_mesh(cluster, chart, mesh):
    roots = cluster.get("-n", "tulle-system", "secret", "tulle-ca")["data"]
    chart.helm("upgrade", *RELEASE, chart.folder, "--set", "control.replicas=2", "--wait")
    assert cluster.get("-n", "tulle-system", "deployment", "tulle-control")["status"]["readyReplicas"] == 2
    assert cluster.get("-n", "tulle-system", "secret", "tulle-ca")["data"] == roots
    mesh.await_control()
    cluster.kubectl("-n", NS, "rollout", "restart", "deployment/web")
    cluster.kubectl("-n", NS, "rollout", "status", "deployment/web", "--timeout=90s")
    wait_until(lambda: call(cluster).startswith("web-"), "the new pod is called")


def test_helm_uninstall_leaves_pods_that_can_be_created(cluster, chart, mesh):
    """The webhook's configuration goes too: no pod waits for a control plane that is gone. Definitions and roots stay."""
    chart.helm("uninstall", *RELEASE, "--wait")
    cluster.kubectl("-n", NS, "rollout", "restart", "deployment/web")
    cluster.kubectl("-n", NS, "rollout", "status", "deployment/web", "--timeout=90s")
    wait_until(lambda: len(cluster.get("-n", NS, "pods", "-l", "app=web")["items"]) == 1, "the old pod is gone", 60)
    pod = cluster.get("-n", NS, "pods", "-l", "app=web")["items"][0]
    assert "initContainers" not in pod["spec"]
    assert cluster.get("-n", "tulle-system", "secret", "tulle-ca")["data"]
    assert "tulle.dev" in cluster.kubectl("get", "crds", "-o", "name")
    left = {identity(item) for item in yaml.safe_load_all(tullectl("install")) if item["kind"] not in ("Namespace", "CustomResourceDefinition")}
    for _, kind, ns, name in sorted(left):
        shown = cluster.try_kubectl("get", kind, name, *(("-n", ns) if ns else ()))
        assert "NotFound" in shown.stderr, (kind, ns, name, shown.stdout)
