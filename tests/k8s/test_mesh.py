"""Two pods that know nothing of the mesh, meshed by the label of their namespace: mTLS between them under STRICT, and no way in
for others."""
import json

import pytest

from meshed import Mesh, STRICT
from processes import wait_until


WEB = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: TOOLS
        imagePullPolicy: Never
        command: [sh, -c, "echo hello from web > /www/index.html && exec httpd -f -p 8080 -h /www"]
        readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: client, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec:
  serviceAccountName: client
  containers:
  - {name: client, image: TOOLS, imagePullPolicy: Never, command: [sleep, "100000"]}
"""

STRANGER = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger", "namespace": "default"}}


@pytest.fixture(scope="module")
def mesh(cluster):
    made = Mesh(cluster)
    made.namespace("shop")
    made.apply(WEB.replace("TOOLS", cluster.tools))
    stranger = {**STRANGER, "spec": {"containers": [
        {"name": "stranger", "image": cluster.tools, "imagePullPolicy": "Never", "command": ["sleep", "100000"]}]}}
    cluster.apply(stranger)
    cluster.wait_for("condition=Available", "-n", "shop", "deployment/web")
    cluster.wait_for("condition=Ready", "-n", "shop", "pod/client")
    cluster.wait_for("condition=Ready", "pod/stranger")
    return made


def call(cluster, ns, pod, url):
    """The body, or curl's error."""
    done = cluster.try_kubectl("-n", ns, "exec", pod, "-c", pod, "--", "curl", "-s", "-m", "10", "-w", " %{http_code}", url)
    return done.stdout + done.stderr


def test_a_service_is_called_by_its_name(cluster, mesh):
    assert call(cluster, "shop", "client", "http://web/") == "hello from web\n 200"
    assert call(cluster, "shop", "client", "http://web.shop.svc.cluster.local/") == "hello from web\n 200"


def test_both_ends_know_each_other_by_mtls(cluster, mesh):
    pod = cluster.kubectl("-n", "shop", "get", "pods", "-l", "app=web", "-o", "name").strip().removeprefix("pod/")
    call(cluster, "shop", "client", "http://web/")
    requests = [line for line in mesh.metrics("shop", pod) if line.startswith("istio_requests_total")]
    assert any('source_principal="spiffe://cluster.local/ns/shop/sa/client"' in line and
               'connection_security_policy="mutual_tls"' in line and 'destination_service_name="web"' in line
               for line in requests), "\n".join(requests)


def test_strict_refuses_who_has_no_identity(cluster, mesh):
    assert "200" in call(cluster, "default", "stranger", "http://web.shop/")
    mesh.policies(STRICT)
    wait_until(lambda: "200" not in call(cluster, "default", "stranger", "http://web.shop/"), "plaintext is refused")
    assert call(cluster, "shop", "client", "http://web/") == "hello from web\n 200"


def test_tullectl_inject_does_the_same(cluster, mesh):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "by-hand", "namespace": "shop"},
           "spec": {"serviceAccountName": "client", "containers": [
               {"name": "by-hand", "image": cluster.tools, "imagePullPolicy": "Never", "command": ["sleep", "100000"]}]}}
    mesh.inject(json.dumps(pod))
    cluster.wait_for("condition=Ready", "-n", "shop", "pod/by-hand")
    names = [each["name"] for each in cluster.get("-n", "shop", "pod", "by-hand")["spec"]["initContainers"]]
    assert names == ["tulle-init", "tulle-sidecar"], "the webhook injects it once more"
    assert call(cluster, "shop", "by-hand", "http://web/") == "hello from web\n 200"


def test_a_new_pod_of_the_control_plane_goes_unnoticed(cluster, mesh):
    sidecars = mesh.control_metric("tulle_control_proxies_connected")
    assert sidecars >= 2
    cluster.kubectl("-n", "tulle-system", "delete", "pod", "-l", "app=tulle-control", "--force", "--grace-period=0")
    assert call(cluster, "shop", "client", "http://web/") == "hello from web\n 200"
    wait_until(lambda: mesh.control_metric("tulle_control_proxies_connected") == sidecars, "the sidecars do not come back", 60)
    assert mesh.control_metric("tulle_control_certificates_issued_total") == 0, "they had to join anew"
    assert call(cluster, "shop", "client", "http://web/") == "hello from web\n 200"
