"""The blog shop as Deployments, meshed by the label of their namespace alone, under STRICT from the first request. Its images know
nothing of the mesh: each service finds its peers by the variables that kubelet sets, as programs for Kubernetes do.

Customers send 200 requests a second the whole time, half of them POST, check every body and send nothing twice."""
import json
import shutil
import time

import pytest

import image
from meshed import Mesh, STRICT
from processes import binary, wait_until
from workloads import deployment, pod, service

NS = "shop"
RATE = 200
SPIFFE = "URI=spiffe://cluster.local/ns/shop/sa/"
# Path of the readiness probe of each service. Kubelet has no certificate: probes must work under STRICT.
SERVICES = {"gateway": None, "auth": None, "post": "/posts/0", "image": "/images/0", "payment": None}

CANARY = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: post, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: post, port: 80}]
  rules:
  - matches: [{headers: [{name: x-canary, value: "yes"}]}]
    backendRefs: [{name: post-v2, port: 80}]
  - backendRefs: [{name: post-v1, port: 80, weight: %d}, {name: post-v2, port: 80, weight: %d}]
"""
ONLY_THE_GATEWAY_MAY_PAY = """
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: payment-callers, namespace: shop}
spec:
  targetRef: {kind: Service, name: payment}
  action: ALLOW
  rules: [{from: {principals: [ns/shop/sa/gateway]}, to: {methods: [POST]}}]
"""


def load_shop(cluster):
    """Gives the nodes the image `shop`: its programs, and a shell for those who ask by hand."""
    root = cluster.path("image-shop")
    image.busybox(root)
    image.place_program(root, shutil.which("curl"), "/bin/curl")
    for name in ("service", "load"):
        image.place_program(root, binary("tests/shop/" + name), "/" + name)
    cluster.load_image(image.archive(cluster.path("shop.tar"), image.name("shop"), root))


def container(name, *argv, **more):
    return {"name": name, "image": image.name("shop"), "imagePullPolicy": "Never", "command": list(argv), **more}


def address(name):
    """Kubelet replaces it in a command: the address and the port of a Service."""
    return "$(%s_SERVICE_HOST):$(%s_SERVICE_PORT)" % (name.upper(), name.upper())


def member(role, version="v1", replicas=2, **more):
    """One service's Deployment. The program does not end on SIGTERM, like many that run as process 1: it is killed after its hook."""
    peers = [word for peer in SERVICES if peer != "gateway" and role == "gateway" for word in ("--peer", "%s=%s" % (peer, address(peer)))]
    probe = {"httpGet": {"path": SERVICES[role], "port": 8080}} if SERVICES[role] else {"tcpSocket": {"port": 8080}}
    name = role if role != "post" else "post-" + version
    made = deployment(
        NS, name, replicas,
        container(role, "/service", role, "8080", "--version", version, "--listen", "everywhere", *peers,
                  readinessProbe={**probe, "periodSeconds": 1}, lifecycle={"preStop": {"sleep": {"seconds": 3}}}, **more),
        serviceAccountName=role, terminationGracePeriodSeconds=6)
    made["spec"]["template"]["metadata"]["labels"]["service"] = role
    return made


def account(name):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NS}}


def selecting(name, **labels):
    return service(NS, name, (80, 8080), selector=labels)


class Shop:
    """The shop, and customers who call it all the time."""

    def __init__(self, cluster, gateway_api):
        self.cluster = cluster
        cluster.kubectl("apply", "--server-side", "-f", gateway_api)
        self.mesh = Mesh(cluster)
        self.mesh.policies(STRICT)
        cluster.add_node("zone-2")
        load_shop(cluster)
        self.mesh.namespace(NS)
        # Services first: kubelet tells a pod of those that exist when it starts.
        cluster.apply(*(account(name) for name in (*SERVICES, "customers")),
                      *(selecting(name, service=name) for name in SERVICES),
                      selecting("post-v1", app="post-v1"), selecting("post-v2", app="post-v2"))
        cluster.apply(*(member(role) for role in SERVICES), member("post", "v2", 1))
        self.settled()
        customers = container("customers", "/load", address("gateway"), "--rate", str(RATE))
        cluster.apply(pod(NS, "customers", customers, serviceAccountName="customers", nodeName="node1"))
        cluster.wait_for("condition=Ready", "-n", NS, "pod/customers")
        self._seen = 0
        wait_until(lambda: self.seconds(), "the customers are answered")

    def settled(self):
        for made in self.cluster.get("-n", NS, "deployments")["items"]:
            self.cluster.kubectl("-n", NS, "rollout", "status", "deployment/" + made["metadata"]["name"], "--timeout=120s")
        wait_until(lambda: not any("deletionTimestamp" in one["metadata"] for one in self.cluster.get("-n", NS, "pods")["items"]),
                   "no pod is ending", 90)

    def seconds(self):
        """What the customers counted in each second since the last time."""
        lines = self.cluster.kubectl("-n", NS, "logs", "customers", "-c", "customers").splitlines()
        new = lines[self._seen:]
        self._seen = len(lines)
        return [json.loads(line) for line in new]

    def check(self, what):
        """Nothing failed since the last time, and the customers went on asking."""
        time.sleep(2)  # What they asked last is told of a second later.
        seconds = self.seconds()
        sent, failed = sum(each["sent"] for each in seconds), sum(each["failed"] for each in seconds)
        print("%s: %d requests of the customers, %d failed, slowest p99 of a second %.0f ms" % (
            what, sent, failed, max(each["p99_ms"] for each in seconds)))
        assert sent > RATE
        assert failed == 0, [each["reasons"] for each in seconds if each["reasons"]]

    def ask(self, url, *arguments, who="customers"):
        """Headers and body of the answer to a pod, or curl's error."""
        done = self.cluster.try_kubectl("-n", NS, "exec", who, "-c", who.split("-")[0], "--", "curl", "-sS", "-i", "-m", "10",
                                        "-H", "Authorization: t", *arguments, url)
        return done.stdout + done.stderr

    def versions(self, seconds):
        """Who answered customers' requests for posts, as share of v2."""
        counts = {}
        for each in seconds:
            for name, count in each["served_by"].items():
                counts[name] = counts.get(name, 0) + count
        v1, v2 = counts.get("post-v1", 0), counts.get("post-v2", 0)
        return v2 / (v1 + v2) if v1 + v2 else None


@pytest.fixture(scope="module")
def shop(cluster, gateway_api):
    return Shop(cluster, gateway_api)


def test_each_hop_knows_its_caller(shop):
    for path, more in (("/blog/1", ()), ("/image/1", ("-o", "/dev/null", "-D", "-")), ("/pay", ("-d", "x")), ("/blog", ("-d", "x"))):
        answer = shop.ask("http://gateway" + path, *more)
        lines = {name.lower(): value for name, _, value in (line.partition(": ") for line in answer.splitlines())}
        assert answer.startswith("HTTP/1.1 200"), answer
        for header, caller in (("x-caller-of-gateway", "customers"), ("x-caller-of-auth", "gateway"), ("x-caller", "gateway")):
            assert SPIFFE + caller in lines[header], (path, header, answer)


def test_a_canary_by_httproute(shop):
    shop.mesh.apply(CANARY % (80, 20))
    shop.cluster.kubectl("-n", NS, "wait", "--for=jsonpath={.status.parents[0].conditions[?(@.type=='Accepted')].status}=True",
                         "httproute/post", "--timeout=60s")
    assert "x-served-by: post-v2" in shop.ask("http://post/posts/1", "-H", "x-canary: yes")
    shop.seconds()
    time.sleep(10)
    share = shop.versions(shop.seconds())
    print("20 %% of the posts should come from v2: %.1f %%" % (100 * share))
    assert .1 < share < .3
    shop.mesh.apply(CANARY % (0, 1))
    wait_until(lambda: shop.versions(shop.seconds()) == 1, "all posts come from v2", 60)
    shop.mesh.apply(CANARY % (1, 0))
    wait_until(lambda: shop.versions(shop.seconds()) == 0, "all posts come from v1", 60)


def test_only_the_gateway_may_pay(shop):
    assert shop.ask("http://payment/payments", "-d", "x").startswith("HTTP/1.1 200")
    shop.seconds()
    shop.mesh.policies(ONLY_THE_GATEWAY_MAY_PAY)
    wait_until(lambda: shop.ask("http://payment/payments", "-d", "x").startswith("HTTP/1.1 403"), "customers are denied")
    shop.check("only the gateway may pay")


def test_a_job_ends(shop):
    script = "for i in $(seq 50); do curl -sS -f -m 10 -H 'Authorization: job' -d order http://gateway/pay; echo; done"
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "orders", "namespace": NS}, "spec": {
        "backoffLimit": 0, "template": {"metadata": {"labels": {"app": "orders"}}, "spec": {
            "serviceAccountName": "customers", "restartPolicy": "Never", "containers": [container("orders", "sh", "-ec", script)]}}}}
    shop.cluster.apply(job)
    shop.cluster.wait_for("condition=Complete", "-n", NS, "job/orders")
    assert shop.cluster.kubectl("-n", NS, "logs", "job/orders", "-c", "orders").count("received") == 50


def test_every_service_is_replaced(shop):
    shop.seconds()
    shop.cluster.kubectl("-n", NS, "rollout", "restart", "deployment")
    shop.settled()
    shop.check("rolling update of all services")


def test_scaling(shop):
    shop.seconds()
    for replicas in (4, 1, 2):
        shop.cluster.kubectl("-n", NS, "scale", "deployment", "gateway", "auth", "payment", "--replicas=%d" % replicas)
        shop.settled()
    shop.check("scaling of gateway, auth and payment from 2 to 4 to 1 to 2")


def test_a_node_is_drained(shop):
    shop.seconds()
    node = shop.cluster.nodes[1].name
    on_it = [one["metadata"]["name"] for one in shop.cluster.get("-n", NS, "pods")["items"] if one["spec"]["nodeName"] == node]
    assert on_it
    shop.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s")
    shop.settled()
    shop.cluster.kubectl("uncordon", node)
    shop.check("drain of a node with %d pods of the shop" % len(on_it))


def test_the_control_plane_is_killed(shop):
    shop.seconds()
    shop.cluster.kubectl("-n", "tulle-system", "delete", "pod", "-l", "app=tulle-control", "--force", "--grace-period=0")
    shop.mesh.await_control()
    shop.check("kill of the control plane")
