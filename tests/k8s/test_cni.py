"""The CNI plugin redirects pods in a namespace whose Pod Security level is `restricted`: no container of theirs has a capability."""
import json
import os
import subprocess

import pytest

import image
import meshed
from processes import wait_until

RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True, "runAsUser": 1000,
              "seccompProfile": {"type": "RuntimeDefault"}}


def pod(ns, name, *command, annotations=None, context=None):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": ns, "labels": {"app": name}, "annotations": annotations or {}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [
                {"name": name, "image": image.name("tools"), "imagePullPolicy": "Never", "command": list(command),
                 "securityContext": context or RESTRICTED}]}}


def service(ns, name):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns},
            "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}


def folders(cluster):
    node = cluster.nodes[0]
    return ["--cni-conf-dir", node.path("cni"), "--cni-bin-dir", node.path("cni-bin")]


def apply_plugin(cluster, command):
    """`install` or `uninstall`, until it is done on all nodes."""
    cluster.kubectl("apply", "--server-side", "-f", "-", stdin=meshed.tullectl(command, "--cni", *folders(cluster)))
    cluster.kubectl("-n", "tulle-cni", "rollout", "status", "daemonset/tulle-cni", "--timeout=90s")


@pytest.fixture(scope="module")
def mesh(cluster):
    made = meshed.Mesh(cluster, "--cni", *folders(cluster))
    cluster.kubectl("-n", "tulle-cni", "rollout", "status", "daemonset/tulle-cni", "--timeout=90s")
    made.namespace("shop")
    cluster.kubectl("label", "namespace", "shop", "pod-security.kubernetes.io/enforce=restricted")
    cluster.apply(pod("shop", "web", "httpd", "-f", "-p", "8080", "-h", "/etc"), service("shop", "web"),
                  pod("shop", "client", "sleep", "100000"), pod("default", "stranger", "sleep", "100000"))
    for name in ("web", "client"):
        cluster.wait_for("condition=Ready", "-n", "shop", "pod/" + name)
    cluster.wait_for("condition=Ready", "pod/stranger")
    return made


def call(cluster, ns, name, url):
    """The status, or curl's error."""
    done = cluster.try_kubectl("-n", ns, "exec", name, "-c", name, "--", "curl", "-s", "-m", "10", "-o", "/dev/null", "-w",
                               "%{http_code}", url)
    return done.stdout + done.stderr


def network_of(cluster, name):
    """The file of the network namespace of the pod with this name."""
    node = cluster.nodes[0]
    found = node.ctr("containers", "ls", "-q", 'labels."io.kubernetes.pod.name"==' + name).stdout.split()
    words = [word for each in found for word in node.ctr("containers", "info", each).stdout.replace('"', " ").split()]
    return next(word for word in words if "/netns/cni-" in word)


def rules(cluster, name, family=""):
    """The nat rules of a pod."""
    argv = ["nsenter", "--net=" + network_of(cluster, name), "ip%stables-nft-save" % family, "-t", "nat"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def address_of(cluster, ns, name):
    return cluster.get("-n", ns, "pod", name)["status"]["podIP"]


def chain(cluster):
    """The plugins of the node, in order."""
    with open(cluster.nodes[0].path("cni/10-pods.conflist"), encoding="utf-8") as file:
        return [each["type"] for each in json.load(file)["plugins"]]


def test_no_container_has_a_capability(cluster, mesh):
    refused = cluster.try_kubectl("apply", "-f", "-", stdin=json.dumps(
        pod("shop", "mighty", "true", context={**RESTRICTED, "capabilities": {"add": ["NET_ADMIN"]}})))
    assert 'violates PodSecurity "restricted' in refused.stderr, "the level is not enforced"
    made = cluster.get("-n", "shop", "pod", "web")
    assert made["metadata"]["annotations"]["tulle.dev/redirection"] == "cni"
    for each in made["spec"]["initContainers"]:
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert each["securityContext"]["runAsNonRoot"]


def test_pods_call_each_other_with_mtls_under_strict(cluster, mesh):
    assert call(cluster, "default", "stranger", "http://web.shop/passwd") == "200"
    mesh.policies(meshed.STRICT)
    wait_until(lambda: call(cluster, "default", "stranger", "http://web.shop/passwd") != "200", "plaintext is not refused")
    assert call(cluster, "shop", "client", "http://web/passwd") == "200"
    requests = [line for line in mesh.metrics("shop", "web") if line.startswith("istio_requests_total")]
    assert any('source_principal="spiffe://cluster.local/ns/shop/sa/default"' in line and
               'connection_security_policy="mutual_tls"' in line for line in requests), "\n".join(requests)


def test_both_families_are_redirected_and_other_pods_are_not(cluster, mesh):
    for family in ("", "6"):
        assert "TULLE_OUTPUT" in rules(cluster, "web", family)
        assert "TULLE" not in rules(cluster, "stranger", family)
    own = cluster.namespace.argv("iptables-nft-save", "-t", "nat")
    assert "TULLE" not in subprocess.run(own, capture_output=True, text=True, check=True).stdout, "the node's own network"


def test_annotations_mean_the_same_as_without_the_plugin(cluster, mesh):
    cluster.apply(pod("shop", "skips", "httpd", "-f", "-p", "8080", "-h", "/etc", annotations={
        "tulle.dev/skip-inbound-ports": "8080", "tulle.dev/skip-outbound-cidrs": "192.0.2.0/24"}))
    cluster.wait_for("condition=Ready", "-n", "shop", "pod/skips")
    saved = rules(cluster, "skips")
    assert "-A TULLE_INBOUND -p tcp -m tcp --dport 8080 -j RETURN" in saved
    assert "-A TULLE_OUTPUT -d 192.0.2.0/24 -j RETURN" in saved
    assert call(cluster, "default", "stranger", "http://%s:8080/passwd" % address_of(cluster, "shop", "skips")) == "200"


def test_a_deleted_pod_leaves_nothing(cluster, mesh):
    cluster.apply(pod("shop", "brief", "sleep", "100000"))
    cluster.wait_for("condition=Ready", "-n", "shop", "pod/brief")
    assert "TULLE" in rules(cluster, "brief")
    network = network_of(cluster, "brief")
    cluster.kubectl("-n", "shop", "delete", "pod", "brief")
    wait_until(lambda: not os.path.exists(network), "its network namespace is still there", 60)


def test_a_pod_that_cannot_be_redirected_does_not_start(cluster, mesh):
    """What the injection would never write; an injected pod fails in the same way, if its node has no iptables."""
    cluster.apply(pod("default", "wrong", "sleep", "100000", annotations={"tulle.dev/redirection": "frob"}))
    wait_until(lambda: 'tulle-cni: annotation tulle.dev/redirection: unknown value "frob"' in cluster.kubectl(
        "get", "events", "--field-selector=reason=FailedCreatePodSandBox,involvedObject.name=wrong", "-o",
        "jsonpath={.items[*].message}"), "no event says why", 60)
    assert "podIP" not in cluster.get("pod", "wrong")["status"]
    cluster.kubectl("delete", "pod", "wrong", "--force", "--grace-period=0")


def test_the_entry_comes_back_when_another_tool_writes_the_file(cluster, mesh):
    node = cluster.nodes[0]
    assert chain(cluster) == ["bridge", "portmap", "tulle-cni"]
    with open(node.path("cni/10-pods.conflist"), "w", encoding="utf-8") as file:
        json.dump(node._network(), file)  # pylint: disable=protected-access
    wait_until(lambda: chain(cluster) == ["bridge", "portmap", "tulle-cni"], "the entry is lost")


def test_without_the_plugin_a_pod_does_not_start_and_says_why(cluster, mesh):
    apply_plugin(cluster, "uninstall")
    assert chain(cluster) == ["bridge", "portmap"]
    assert os.path.exists(cluster.nodes[0].path("cni-bin/tulle-cni")), "CRI-O calls it to delete pods that run"
    cluster.apply(pod("shop", "early", "sleep", "100000"))

    def why():
        first = cluster.get("-n", "shop", "pod", "early")["status"].get("initContainerStatuses", [{}])[0]
        return (first.get("lastState") or first.get("state") or {}).get("terminated", {}).get("message", "")
    wait_until(lambda: "tulle-cni did not redirect the connections of this pod" in why(), "it does not say why: " + why(), 60)
    assert call(cluster, "shop", "client", "http://web/passwd") == "200", "pods that run keep their redirection"
    assert cluster.get("-n", "shop", "pod", "early")["status"]["phase"] == "Pending"
    apply_plugin(cluster, "install")
    cluster.kubectl("-n", "shop", "delete", "pod", "early", "--force", "--grace-period=0")
    cluster.apply(pod("shop", "early", "sleep", "100000"))
    cluster.wait_for("condition=Ready", "-n", "shop", "pod/early")
    assert call(cluster, "shop", "early", "http://web/passwd") == "200"
