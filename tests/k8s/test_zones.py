"""Two nodes in two zones: the own zone is preferred, also by a pod that no Service selects; the other one serves while it fails."""
import json

import pytest

from meshed import Mesh
from processes import wait_until
from workloads import deployment, load_python, pod, python, service

NS = "shop"
NEAR, FAR = "node1", "node2"
PREFER = """
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: web, namespace: shop}
spec:
  targetRef: {kind: Service, name: web}
  localities: {preferOwn: true}
"""


def on(made, node):
    """The pod or the Deployment, bound to a node; the name of the Service stays."""
    spec = made["spec"]["template"]["spec"] if "template" in made["spec"] else made["spec"]
    spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    return made


def web(node, replicas=1):
    app = python("web", "web", 8080, readinessProbe={"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1})
    made = on(deployment(NS, "web-" + node, replicas, app), node)
    made["spec"]["template"]["metadata"]["labels"]["set"] = "web"
    return made


class Zones:
    def __init__(self, cluster):
        self.cluster = cluster
        self.mesh = Mesh(cluster)
        self.far = cluster.add_node("zone-2")
        load_python(cluster)
        self.mesh.namespace(NS)
        web_service = service(NS, "web", (80, 8080))
        web_service["spec"]["selector"] = {"set": "web"}
        clients = [on(pod(NS, "client-" + node, python("web", "web", 9000)), node) for node in (NEAR, FAR)]
        self.inject(web_service, web(NEAR), web(FAR), *clients)
        cluster.wait_for("condition=Ready", "-n", NS, "pods", "--all")
        self.mesh.policies(PREFER)

    def inject(self, *objects):
        self.mesh.inject(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def call(self, node, count=1):
        """Names of the Deployments that answered a client on that node, or curl's errors."""
        script = "for i in $(seq %d); do curl -sS -f -m 10 http://web/ 2>&1 || true; done" % count
        done = self.cluster.try_kubectl("-n", NS, "exec", "client-" + node, "-c", "web", "--", "sh", "-c", script)
        return {line.split(" ")[0].rsplit("-", 2)[0] for line in (done.stdout + done.stderr).splitlines()}

    def prefers(self, node, answering):
        wait_until(lambda: self.call(node, 20) == {"web-" + answering}, "%s is answered by %s alone" % (node, answering), 60)


@pytest.fixture(scope="module")
def zones(cluster):
    return Zones(cluster)


def test_the_own_zone_is_preferred(zones):
    for node in (NEAR, FAR):
        zones.prefers(node, node)


def test_the_other_zone_serves_while_the_own_has_no_pod(zones):
    zones.inject(web(FAR, replicas=0))
    zones.prefers(FAR, NEAR)
    zones.inject(web(FAR))
    zones.prefers(FAR, FAR)


def test_a_node_that_is_cut_off_is_passed_over(zones):
    """Without a preference both are called. What a kept connection carried waits for the caller's own limit; who cannot connect is
    sent to the other node."""
    zones.cluster.kubectl("-n", NS, "delete", "resiliencepolicy", "web")
    wait_until(lambda: zones.call(NEAR, 20) == {"web-" + NEAR, "web-" + FAR}, "both are called")
    zones.far.disconnect()
    wait_until(lambda: zones.call(NEAR, 20) == {"web-" + NEAR}, "the other node alone is called", 60)
    zones.far.connect()
    wait_until(lambda: zones.call(NEAR, 20) == {"web-" + NEAR, "web-" + FAR}, "both are called again", 90)
