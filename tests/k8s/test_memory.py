"""What a sidecar needs in its pod: little when it is idle, and no more in a cluster with 1,000 Services that it does not call."""
import json
import os

import pytest

import image
from meshed import Mesh
from processes import wait_until

SERVICES = 1000
ENDPOINTS = 10
USED = 10
MOST_IDLE = 6 * 1024 * 1024
MOST_MORE_KIB = 1024


def service(name, **spec):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}}


def endpoints(name, number):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": ["10.%d.%d.%d" % (100 + number // 250, number % 250, i + 1)]} for i in range(ENDPOINTS)]}


@pytest.fixture(scope="module")
def mesh(cluster):
    made = Mesh(cluster)
    made.namespace("shop")
    for name, command in (("web", ["httpd", "-f", "-p", "8080", "-h", "/etc"]), ("client", ["sleep", "100000"])):
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
                       "spec": {"containers": [{"name": name, "image": image.name("tools"), "imagePullPolicy": "Never",
                                                "command": command}]}})
        cluster.wait_for("condition=Ready", "-n", "shop", "pod/" + name)
    cluster.apply(*(service("used-%d" % i, selector={"app": "web"}) for i in range(USED)))
    return made


class Sidecar:
    """Of a pod, as its node sees it."""

    def __init__(self, cluster, name):
        uid = cluster.get("-n", "shop", "pod", name)["metadata"]["uid"]
        self.pid = next(pid for pid in filter(str.isdigit, os.listdir("/proc")) if self._is(pid, uid))

    @staticmethod
    def _is(pid, uid):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
        except OSError:
            return False
        return words[0] == "/tulle-sidecar" and "--pod-uid=" + uid in words

    def _status(self, what):
        with open("/proc/%s/status" % self.pid, encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(what + ":"))

    def own_kib(self):
        """Without the pages of the program's file, which all sidecars of a node share."""
        return self._status("RssAnon")

    def resident_kib(self):
        return self._status("VmRSS")

    def charged(self):
        """Bytes that count against the limit of its container."""
        with open("/proc/%s/cgroup" % self.pid, encoding="utf-8") as file:
            group = next(line.strip().split(":")[2] for line in file if ":memory:" in line)
        with open("/sys/fs/cgroup/memory%s/memory.usage_in_bytes" % group, encoding="ascii") as file:
            return int(file.read())


def call_used(cluster):
    urls = ["http://used-%d/passwd" % i for i in range(USED)]
    done = cluster.try_kubectl("-n", "shop", "exec", "client", "-c", "client", "--", "curl", "-sf", "-m", "10", *urls)
    return done.stdout.count("root:")


def known(mesh):
    """How many of the unused services the control plane has."""
    return sum("unused-" in line for line in mesh.tullectl("services", "-A").splitlines())


def test_an_idle_sidecar_is_small(cluster, mesh):
    sidecar = Sidecar(cluster, "client")
    print("\ncharged %.1f MiB, own %.1f MiB, resident with the pages of its files %.1f MiB" %
          (sidecar.charged() / 2**20, sidecar.own_kib() / 2**10, sidecar.resident_kib() / 2**10))
    assert sidecar.charged() <= MOST_IDLE


def test_services_that_it_does_not_call_need_no_memory(cluster, mesh):
    wait_until(lambda: call_used(cluster) == USED, "the services cannot be called")
    sidecar = Sidecar(cluster, "client")
    before = sidecar.own_kib()
    unused = ["unused-%d" % i for i in range(SERVICES)]
    objects = [each for i, name in enumerate(unused) for each in (service(name), endpoints(name, i))]
    cluster.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    wait_until(lambda: known(mesh) == SERVICES, "the control plane does not know them", 60)
    wait_until(lambda: call_used(cluster) == USED, "the services cannot be called")
    after = sidecar.own_kib()
    print("\n%d KiB with %d services, %d KiB with %d more of %d endpoints each" % (before, USED, after, SERVICES, ENDPOINTS))
    assert after - before <= MOST_MORE_KIB
