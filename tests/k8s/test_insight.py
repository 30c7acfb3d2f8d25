"""What tullectl and the dashboard tell of pods, through the API server, from two replicas of the control plane that share the sidecars."""
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from meshed import Mesh
from processes import binary, wait_until

PODS = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  serviceAccountName: web
  containers:
  - name: web
    image: TOOLS
    imagePullPolicy: Never
    command: [sh, -c, "echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"]
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
DENIAL = """
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: no-secrets, namespace: shop}
spec:
  targetRef: {kind: Service, name: web}
  action: DENY
  rules: [{to: {paths: [/secret]}}]
"""
LINK = re.compile(r"(http://127\.0\.0\.1:\d+)/dashboard/#code=(\w+)")


@pytest.fixture(scope="module")
def mesh(cluster):
    made = Mesh(cluster, "--replicas=2")
    made.namespace("shop")
    made.apply(PODS.replace("TOOLS", cluster.tools))
    for name in ("web", "client"):
        cluster.wait_for("condition=Ready", "-n", "shop", "pod/" + name)
    made.policies(DENIAL)
    wait_until(lambda: call(cluster, "/secret", "r0") == "403", "the policy is in force")
    return made


def call(cluster, path, request):
    done = cluster.try_kubectl("-n", "shop", "exec", "client", "-c", "client", "--", "curl", "-s", "-m", "10", "-o", "/dev/null",
                               "-w", "%{http_code}", "-H", "x-request-id: " + request, "http://web" + path)
    return done.stdout


def tullectl_argv(mesh, *arguments):
    return mesh.cluster.namespace.argv(binary("control-plane/cli/tullectl"), "--kubeconfig", mesh.cluster.admin, *arguments)


def try_tullectl(mesh, *arguments):
    return subprocess.run(tullectl_argv(mesh, *arguments), capture_output=True, text=True, check=False)


def test_who_calls_whom(cluster, mesh):
    call(cluster, "/", "r1")
    wait_until(lambda: "web.shop" in mesh.tullectl("stat", "-n", "shop"), "stat has the service")
    [line] = [each for each in mesh.tullectl("edges", "-n", "shop").splitlines() if "client.shop" in each]
    assert "web.shop" in line and "100" in line, line


def test_explain_names_the_policy_that_denied(cluster, mesh):
    assert call(cluster, "/secret", "denied-1") == "403"
    report = mesh.tullectl("explain", "denied-1")
    assert "shop/no-secrets" in report and "client.shop" in report and "/secret" in report, report
    wait_until(lambda: "no-secrets" in mesh.tullectl("errors") or "denied" in mesh.tullectl("errors"), "errors has it")


def test_what_would_happen(mesh):
    done = try_tullectl(mesh, "authz", "check", "--from", "client.shop", "--to", "web.shop", "--path", "/secret")
    assert done.returncode == 1 and "no-secrets" in done.stdout, done.stdout + done.stderr
    done = try_tullectl(mesh, "explain", "--from", "client.shop", "GET", "http://web.shop/")
    assert done.returncode == 0 and "web.shop" in done.stdout, done.stdout + done.stderr


def test_requests_of_pods_are_tapped(cluster, mesh):
    with subprocess.Popen(tullectl_argv(mesh, "tap", "web.shop", "--requests", "4", "--duration", "60s"), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as tap:
        wait_until(lambda: call(cluster, "/", "tapped") == "200" and tap.poll() is not None, "four requests are tapped", 60)
        seen = tap.stdout.read()
    assert tap.returncode == 0 and "GET" in seen and "web" in seen, seen


def test_describe_and_logs_of_a_pod(cluster, mesh):
    report = mesh.tullectl("describe", "service", "web", "-n", "shop")
    assert "no-secrets" in report and "client.shop" in report, report
    rows = [line.split() for line in mesh.tullectl("status").splitlines() if "client" in line]
    assert rows, mesh.tullectl("status")
    proxy = rows[0][0]
    assert "outbound" in mesh.tullectl("proxy-config", proxy, "listeners", "--live") or "15001" in mesh.tullectl(
        "proxy-config", proxy, "listeners", "--live")
    mesh.tullectl("logs", proxy, "--level", "debug", "--for", "1m")
    assert "debug" in mesh.tullectl("logs", proxy)


def test_a_bug_report_has_logs(cluster, mesh):
    """Of the replicas of the control plane, and of the sidecars that are asked for."""
    proxy = next(line.split()[0] for line in mesh.tullectl("status").splitlines() if "client" in line)
    path = cluster.path("report.tar.gz")
    mesh.tullectl("bug-report", "-o", path, "--proxy", proxy)
    with tarfile.open(path) as archive:
        texts = {os.path.basename(os.path.dirname(each.name)) + "/" + os.path.basename(each.name): archive.extractfile(each).read().decode()
                 for each in archive if each.isfile()}
    of_control = [text for name, text in texts.items() if name.endswith("/tulle-control.log")]
    assert len(of_control) == 2 and all("tulle-control" in text or "listening" in text for text in of_control), texts.keys()
    [of_sidecar] = [text for name, text in texts.items() if name.endswith("/sidecar.log")]
    assert "identity spiffe://" in of_sidecar, of_sidecar
    assert "PRIVATE KEY" not in "".join(texts.values())


class Page:
    """The dashboard as a browser sees it, on the node."""

    def __init__(self, mesh, link):
        self.mesh = mesh
        self.base, code = LINK.search(link).groups()
        self.session = None
        self.session = self.send("POST", "/v1/dashboard/sessions", json.dumps({"code": code}))["token"]

    def send(self, method, path, body=None):
        argv = [shutil.which("curl"), "-s", "-m", "20", "-X", method, self.base + path]
        if self.session:
            argv += ["-H", "Authorization: Bearer " + self.session]
        if body is not None:
            argv += ["-H", "Content-Type: application/json", "-d", body]
        text = subprocess.run(self.mesh.cluster.namespace.argv(*argv), capture_output=True, text=True, check=True).stdout
        return json.loads(text)


@pytest.fixture(name="page")
def fixture_page(mesh):
    with subprocess.Popen(tullectl_argv(mesh, "dashboard", "--no-open"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as door:
        link = next(line for line in door.stdout if LINK.search(line))
        try:
            yield Page(mesh, link)
        finally:
            door.terminate()


def test_the_dashboard_shows_what_all_replicas_know(cluster, mesh, page):
    call(cluster, "/", "r2")
    assert "web" in json.dumps(page.send("GET", "/v1/services"))
    wait_until(lambda: "sa/client" in json.dumps(page.send("GET", "/v1/traffic?window=60")), "the traffic is seen")
    assert "no-secrets" in json.dumps(page.send("GET", "/v1/failures"))
    names = json.dumps(page.send("GET", "/v1/proxies"))
    for pod in ("web", "client"):
        assert pod in names
    found = page.send("GET", "/v1/requests?id=denied-1")["requests"]
    assert {each.get("cause") for each in found} == {"denied"} or any(each.get("policy") for each in found), found
    explained = page.send("GET", "/v1/requests/denied-1/explanation")
    assert explained["verdict"]["cause"] == "denied" and "no-secrets" in explained["verdict"]["policy"], explained


def test_the_dashboard_taps_pods(cluster, mesh, page):
    tap = page.send("POST", "/v1/taps", json.dumps({"service": "web.shop"}))
    seen = []

    def tapped():
        assert call(cluster, "/", "by-page") == "200"
        seen.extend(page.send("GET", "/v1/taps/%s" % tap["id"])["requests"])
        return any(each.get("requestId") == "by-page" for each in seen)
    wait_until(tapped, "a request is tapped")
