"""All shapes of Services that a meshed pod may call, under STRICT: what comes in plaintext is refused, so an answer proves mTLS.

Pods of the namespace `shop` are meshed; those of `open` too, and accept plaintext; those of `plain` started before the mesh."""
import json
import subprocess

import pytest

from meshed import Mesh
from processes import wait_until
from workloads import deployment, load_python, pod, python, service

SIDECAR = "127.0.0.6"  # From there it calls its application.
HOST_PORT = 9100

POLICIES = """
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: all, namespace: tulle-system}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
---
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: open, namespace: open}
spec: {targetRef: {kind: Namespace}, mode: PERMISSIVE}
"""


def web(*ports, **more):
    return python("web", "web", *ports, readinessProbe={"httpGet": {"path": "/", "port": ports[0]}, "periodSeconds": 1}, **more)


def selecting(made, **labels):
    """The service, with another selector."""
    made["spec"]["selector"] = labels
    return made


def labelled(made, **labels):
    made["metadata"].setdefault("labels", {}).update(labels)
    return made


def annotated(made, name, value):
    made["metadata"].setdefault("annotations", {})["tulle.dev/" + name] = value
    return made


def with_ports(made, *ports):
    made["spec"]["ports"] = list(ports)
    return made


def stateful(ns, name, replicas, *containers):
    made = deployment(ns, name, replicas, *containers)
    made["kind"] = "StatefulSet"
    made["spec"]["serviceName"] = name
    return made


def by_hand(ns, name, port, *addresses):
    """An EndpointSlice of a Service without a selector."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name + "-1", "namespace": ns, "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "p80", "port": port}], "endpoints": [{"addresses": [one]} for one in addresses]}


def without_selector(made):
    del made["spec"]["selector"]
    return made


MESHED = [
    pod("shop", "client", web(8080)),
    service("shop", "client", (80, 8080)),
    deployment("shop", "web", 2, web(8080, ports=[{"name": "main", "containerPort": 8080}])),
    service("shop", "web", (80, 8080)),
    selecting(service("shop", "two", (80, 8080), (8080, 8080)), app="web"),
    selecting(service("shop", "named", (80, "main")), app="web"),
    labelled(pod("shop", "one", web(8081, ports=[{"name": "main", "containerPort": 8081}])), set="differ"),
    labelled(pod("shop", "other", web(8082, ports=[{"name": "main", "containerPort": 8082}])), set="differ"),
    selecting(service("shop", "differ", (80, "main")), set="differ"),
    with_ports(selecting(service("shop", "dns"), app="web"), {"name": "dns", "port": 53, "targetPort": 5353, "protocol": "UDP"},
               {"name": "dns-tcp", "port": 53, "targetPort": 8080, "protocol": "TCP"}),
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias", "namespace": "shop"},
     "spec": {"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"}},
    stateful("shop", "db", 2, web(8080, 8083)),
    service("shop", "db", (8080, 8080), clusterIP="None"),
    annotated(pod("shop", "opaque", web(8080)), "opaque-ports", "8080"),
    with_ports(service("shop", "opaque"), {"name": "p80", "port": 80, "targetPort": 8080, "appProtocol": "http"}),
    pod("open", "gate", web(8080)),
    service("open", "gate", (80, 8080), type="NodePort"),
]

PLAIN = [
    pod("plain", "old", web(8080)),
    service("plain", "old", (80, 8080)),
    pod("plain", "host", web(HOST_PORT), hostNetwork=True, nodeName="node1"),
    service("plain", "host", (80, HOST_PORT)),
    without_selector(service("plain", "by-hand", (80, 8080))),
    without_selector(service("shop", "by-hand", (80, 8080))),
]


@pytest.fixture(scope="module")
def mesh(cluster):
    made = Mesh(cluster)
    load_python(cluster)
    cluster.kubectl("create", "namespace", "plain")
    made.namespace("shop")
    made.namespace("open")
    cluster.apply(*PLAIN)
    made.inject(json.dumps({"apiVersion": "v1", "kind": "List", "items": MESHED}))
    made.policies(POLICIES)
    for ns in ("shop", "open", "plain"):
        cluster.wait_for("condition=Ready", "-n", ns, "pods", "--all")
    cluster.kubectl("-n", "shop", "rollout", "status", "statefulset/db", "--timeout=60s")
    cluster.apply(by_hand("plain", "by-hand", 8080, address(cluster, "plain", "old")),
                  by_hand("shop", "by-hand", 8080, address(cluster, "shop", "one")))
    return made


def address(cluster, ns, name):
    return cluster.get("-n", ns, "pod", name)["status"]["podIP"]


def call(cluster, url, ns="shop", name="client", *options):
    """The words of the answer, or of curl's error."""
    done = cluster.try_kubectl("-n", ns, "exec", name, "-c", "web", "--", "curl", "-sS", "-f", "-m", "10", *options, url)
    return (done.stdout + done.stderr).split()


def from_node(cluster, url):
    """As a program outside of the mesh calls."""
    done = subprocess.run(cluster.namespace.argv("curl", "-sS", "-f", "-m", "10", url), capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).split()


def answers(cluster, url, **options):
    """(port of the application, who called it)"""
    words = call(cluster, url, **options)
    assert len(words) == 3, words
    return words[1:]


@pytest.mark.parametrize("name", ["web", "web:80", "web.shop", "web.shop.svc.cluster.local", "two", "two:8080", "named", "dns:53", "alias"])
def test_a_service_is_called(cluster, mesh, name):
    assert answers(cluster, "http://%s/" % name) == ["8080", SIDECAR]


def test_a_named_port_is_the_one_of_each_pod(cluster, mesh):
    wait_until(lambda: {tuple(call(cluster, "http://differ/")) for _ in range(4)} ==
               {("one", "8081", SIDECAR), ("other", "8082", SIDECAR)}, "both pods are called")


@pytest.mark.parametrize("host", ["db-0.db", "db-1.db.shop.svc.cluster.local", "db"])
def test_members_of_a_headless_service_are_called_by_name(cluster, mesh, host):
    words = call(cluster, "http://%s:8080/" % host)
    assert words[0].startswith(host[:4]) and words[1:] == ["8080", SIDECAR]


def test_a_pod_is_called_by_its_address(cluster, mesh):
    assert answers(cluster, "http://%s:8080/" % address(cluster, "shop", "db-1")) == ["8080", SIDECAR]


def test_a_port_that_no_service_names_is_called_in_plaintext(cluster, mesh):
    """So STRICT refuses it, until a Service names it."""
    url = "http://%s:8083/" % address(cluster, "shop", "db-1")
    assert "curl:" in call(cluster, url)
    cluster.apply(selecting(service("shop", "db-admin", (8083, 8083), clusterIP="None"), app="db"))
    wait_until(lambda: call(cluster, url) == ["db-1", "8083", SIDECAR], "it is called with mTLS")


def test_opaque_ports_are_forwarded_as_bytes(cluster, mesh):
    assert answers(cluster, "http://opaque.shop/") == ["8080", SIDECAR]
    requests = [line for line in mesh.metrics("shop", "opaque") if line.startswith("istio_requests_total")]
    assert not [line for line in requests if 'reporter="destination"' in line], requests


@pytest.mark.parametrize("host", ["client.shop", "localhost:8080", "own address"])
def test_a_pod_calls_itself(cluster, mesh, host):
    host = address(cluster, "shop", "client") + ":8080" if host.startswith("own") else host
    assert call(cluster, "http://%s/" % host)[:2] == ["client", "8080"]


@pytest.mark.parametrize("name", ["old", "host", "by-hand"])
def test_pods_without_a_sidecar_are_called_in_plaintext(cluster, mesh, name):
    words = call(cluster, "http://%s.plain/" % name)
    assert words[1:] == [str(HOST_PORT) if name == "host" else "8080", address(cluster, "shop", "client")]


def test_a_slice_by_hand_may_name_a_meshed_pod(cluster, mesh):
    cluster.apply(by_hand("shop", "by-hand", 8081, address(cluster, "shop", "one")))
    wait_until(lambda: call(cluster, "http://by-hand/") == ["one", "8081", SIDECAR], "it is called with mTLS")


def test_the_api_server_is_called(cluster, mesh):
    assert '"v1.34' in " ".join(call(cluster, "https://kubernetes.default.svc/version", "shop", "client", "-k"))


def test_strict_refuses_pods_without_a_sidecar(cluster, mesh):
    for url in ("http://web.shop/", "http://%s:8080/" % address(cluster, "shop", "db-0")):
        assert "curl:" in call(cluster, url, "plain", "old")
        assert "curl:" in from_node(cluster, url.replace("web.shop", cluster.get("-n", "shop", "service", "web")["spec"]["clusterIP"]))


def test_a_node_port_is_called_from_outside(cluster, mesh):
    port = cluster.get("-n", "open", "service", "gate")["spec"]["ports"][0]["nodePort"]
    assert from_node(cluster, "http://%s:%d/" % (cluster.address, port)) == ["gate", "8080", SIDECAR]


def test_a_service_is_called_as_soon_as_it_exists(cluster, mesh):
    """It is called by its address at once, and known as another one before."""
    for _ in range(3):
        cluster.apply(selecting(service("shop", "late", (80, 8080), clusterIP="10.96.77.77"), app="web"))
        wait_until(lambda: call(cluster, "http://10.96.77.77/")[1:] == ["8080", SIDECAR], "the new Service is called", 5)
        cluster.kubectl("-n", "shop", "delete", "service", "late")
        wait_until(lambda: "curl:" in call(cluster, "http://10.96.77.77/", "shop", "client", "--connect-timeout", "1"), "it is gone", 5)
