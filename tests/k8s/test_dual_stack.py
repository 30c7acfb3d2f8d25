"""A cluster with both families: Services with two addresses are called by IPv4 with mTLS, and IPv6 is no way around the policies."""
import pytest

import image
from conftest import with_node
from meshed import Mesh, STRICT
from processes import wait_until


def pod(ns, name, *command):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ns, "labels": {"app": name}},
            "spec": {"containers": [{"name": name, "image": image.name("tools"), "imagePullPolicy": "Never", "command": list(command)}]}}


@pytest.fixture(scope="module")
def cluster():
    with with_node(dual_stack=True) as made:
        yield made


@pytest.fixture(scope="module")
def mesh(cluster):
    made = Mesh(cluster)
    made.namespace("shop")
    cluster.apply(pod("shop", "web", "httpd", "-f", "-p", "8080", "-h", "/etc"), pod("shop", "client", "sleep", "100000"),
                  pod("default", "stranger", "sleep", "100000"),
                  {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
                   "spec": {"ipFamilyPolicy": "RequireDualStack", "selector": {"app": "web"},
                            "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})
    for name in ("web", "client"):
        cluster.wait_for("condition=Ready", "-n", "shop", "pod/" + name)
    cluster.wait_for("condition=Ready", "pod/stranger")
    return made


def status(cluster, ns, name, address, port):
    """Of a call to an address of either family; 000: no answer."""
    host = "[%s]" % address if ":" in address else address
    done = cluster.try_kubectl("-n", ns, "exec", name, "-c", name, "--", "curl", "-s", "-m", "10", "-o", "/dev/null", "-w",
                               "%{http_code}", "http://%s:%d/passwd" % (host, port))
    return done.stdout


def test_strict_holds_in_both_families(cluster, mesh):
    service = cluster.get("-n", "shop", "service", "web")["spec"]["clusterIPs"]
    own = [each["ip"] for each in cluster.get("-n", "shop", "pod", "web")["status"]["podIPs"]]
    assert [len(service), len(own)] == [2, 2], "the cluster is not dual stack"
    addresses = [(address, 80) for address in service] + [(address, 8080) for address in own]
    for address, port in addresses:
        assert status(cluster, "default", "stranger", address, port) == "200", address
    mesh.policies(STRICT)
    for address, port in addresses:
        wait_until(lambda at=(address, port): status(cluster, "default", "stranger", *at) == "000", "plaintext is not refused: " + address)
    assert status(cluster, "shop", "client", service[0], 80) == "200"
    assert status(cluster, "shop", "client", own[0], 8080) == "200"
    assert status(cluster, "shop", "client", "web", 80) == "200", "by name, of which both addresses are known"
