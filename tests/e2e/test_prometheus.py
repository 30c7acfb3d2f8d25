"""Metrics in a real Prometheus: it finds the sidecars by the control plane's list, its queries give the numbers of the load, and the
dashboards of docs/grafana name nothing that it does not have."""
import collections
import glob
import gzip
import json
import os
import re
import socket
import subprocess
import time

import pytest
import yaml

import control
import processes
import raw
from byte_server import ByteServer, echo
from mesh import Mesh
from origin import reply
from prometheus import Prometheus, Rejected, names_in

pytestmark = pytest.mark.skipif(not processes.program("prometheus"), reason="no prometheus: run scripts/install-packages")

DASHBOARDS = sorted(glob.glob(os.path.join(processes.ROOT, "docs", "grafana", "*.json")))
HOST = "%s.default.svc.cluster.local"
POLICIES = """\
apiVersion: tulle.dev/v1alpha1
kind: TelemetryPolicy
metadata: {name: all}
spec: {targetRef: {kind: Mesh}, tracing: {sampling: 100}}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: post}
spec: {targetRef: {kind: Service, name: post}, retries: {attempts: 0}}
---
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: image}
spec:
  targetRef: {kind: Service, name: image}
  retries: {attempts: 2, on: [5xx]}
---
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: no-secrets}
spec:
  targetRef: {kind: Service, name: post}
  action: DENY
  rules: [{to: {paths: [/secret]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: mirrored}
spec:
  parentRefs: [{kind: Service, name: image, port: 80}]
  rules:
  - filters: [{type: RequestMirror, requestMirror: {backendRef: {name: post, port: 80}}}]
    backendRefs: [{name: image, port: 80}]
"""


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: post, namespace: default}
spec: {containers: [{name: post, image: post}]}
"""


def broken_at_times(request, _):
    """/broken fails, /flaky fails every other time."""
    broken_at_times.calls += request.path == "/flaky"
    if request.path == "/broken" or (request.path == "/flaky" and broken_at_times.calls % 2):
        return reply(b"", "503 Service Unavailable")
    return reply(b"", "404 Not Found") if request.path == "/nothing" else reply()


broken_at_times.calls = 0


class BusyMesh(Mesh):
    """Counts what web asks for: every kind of call that the metrics tell apart."""

    def __init__(self, folder):
        super().__init__(folder)
        self.asked = collections.Counter()
        self.echo = ByteServer(echo)
        self.metrics_ports = {}
        try:
            self._start_workloads()
            self.apply(POLICIES)
            processes.wait_until(lambda: self.get("post", "/secret") == 403, "the policies are in force")
            self._load()
        except BaseException:
            self.close()
            raise

    def _add(self, name, *arguments):
        workload = self.new_workload(name)
        self.make_token(name)
        self.metrics_ports[name] = processes.free_port()
        self.start_sidecar(workload, "--metrics", "127.0.0.1:%d" % self.metrics_ports[name], *arguments)
        workload.instance = self.wait_in_step(workload)
        workload.origin.answer = broken_at_times
        return workload

    def _start_workloads(self):
        self.tcp = processes.free_port()
        self._add("post", "--label", "app=posts")
        self._add("image", "--inbound", "%d:%d:6379/tcp" % (processes.free_port(), self.echo.port))
        self.web = self._add("web", "--label", "app=shop", "--label", "version=v2", "--outbound-tcp", "image:6379=%d" % self.tcp)
        processes.wait_until(lambda: processes.listening(self.web.outbound), "web listens")

    def get(self, service, path="/", headers=()):
        status = raw.get(self.web.outbound, path, host=service, headers=headers).status
        self.asked[service, status] += 1
        return status

    def _load(self):
        for service, path, count in (("post", "/", 40), ("post", "/nothing", 7), ("post", "/broken", 3), ("post", "/secret", 4),
                                     ("image", "/flaky", 10), ("image", "/broken", 2)):
            for _ in range(count):
                self.get(service, path)
        assert self.get("image", headers=[("content-type", "application/grpc")]) == 200
        with socket.create_connection(("127.0.0.1", self.tcp), 10) as sock:
            sock.sendall(b"x" * 1000)
            assert sock.recv(1000, socket.MSG_WAITALL) == b"x" * 1000

    def close(self):
        self.echo.close()
        super().close()


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh(tmp_path_factory):
    made = BusyMesh(tmp_path_factory.mktemp("mesh"))
    yield made
    made.close()


def documented_configurations():
    """Of Prometheus: on the control plane's host, on another one, and in Kubernetes."""
    with open(os.path.join(processes.ROOT, "docs", "observability.md"), encoding="utf-8") as file:
        blocks = re.findall(r"```yaml\n(.*?)```", file.read(), re.S)
    return [block for block in blocks if block.startswith("scrape_configs:")]


def for_mesh(documented, mesh):
    """The configuration with this mesh's ports, and less patience."""
    configuration = yaml.safe_load(documented.replace(":15014", ":%d" % mesh.health).replace(":15016", ":%d" % mesh.api))
    for job in configuration["scrape_configs"]:
        for found in job.get("http_sd_configs", []):
            found["refresh_interval"] = "1s"
    return configuration


@pytest.fixture(scope="module", name="prometheus")
def fixture_prometheus(tmp_path_factory, mesh):
    made = Prometheus(tmp_path_factory.mktemp("prometheus"), for_mesh(documented_configurations()[0], mesh))
    try:
        processes.wait_until(lambda: len(made.up()) == 4, "three sidecars and the control plane are scraped", 30)
        yield made
    finally:
        made.stop()


def test_it_finds_the_sidecars_by_the_control_planes_list(mesh, prometheus):
    found = {target["labels"]["instance"]: target["labels"] for target in prometheus.targets() if target["labels"]["job"] == "tulle"}
    assert set(found) == {"127.0.0.1:%d" % port for port in mesh.metrics_ports.values()}
    assert {labels["service"] for labels in found.values()} == {"web", "post", "image"}
    post = found["127.0.0.1:%d" % mesh.metrics_ports["post"]]
    assert (post["namespace"], post["spiffe_id"]) == ("default", "spiffe://cluster.local/ns/default/sa/post")


def test_it_finds_them_from_another_host_with_a_credential(mesh, tmp_path):
    (tmp_path / "prometheus.credential").write_text(mesh.tullectl("credential", "create", "prometheus", "--role", "reader", "-o", "raw"), encoding="utf-8")
    (tmp_path / "roots.pem").write_text(mesh.tullectl("cert", "roots", "-o", "raw"), encoding="utf-8")
    made = Prometheus(tmp_path, for_mesh(documented_configurations()[1], mesh))
    try:
        wanted = {"127.0.0.1:%d" % port for port in mesh.metrics_ports.values()}
        processes.wait_until(lambda: made.up() == wanted, "all sidecars are scraped:\n" + made.child.log()[-2000:], 30)
        mesh.tullectl("credential", "delete", "prometheus")
        processes.wait_until(lambda: "401" in made.child.log(), "Prometheus is refused without it", 20)
    finally:
        made.stop()


def test_its_numbers_are_those_of_the_load(mesh, prometheus):
    assert mesh.asked["post", 200] >= 40 and mesh.asked["post", 403] >= 4 and mesh.asked["post", 503] == 3
    for (service, status), count in mesh.asked.items():
        of_web = 'istio_requests_total{reporter="source",source_workload="web",destination_service="%s",response_code="%d"}' % (HOST % service, status)
        processes.wait_until(lambda: prometheus.number("sum(%s)" % of_web) == count, "%d requests to %s with %d" % (count, service, status), 10)
    # What post's sidecar has seen of web, by mutual TLS, is what web's sidecar has sent.
    seen = 'istio_requests_total{reporter="destination",source_workload="web",destination_service="%s",connection_security_policy="mutual_tls"}' % (HOST % "post")
    assert prometheus.number("sum(%s)" % seen) >= sum(count for (service, _), count in mesh.asked.items() if service == "post")
    slow = "histogram_quantile(0.95, sum by (le) (istio_request_duration_milliseconds_bucket{reporter=\"source\",destination_service=\"%s\"}))"
    assert 0 < prometheus.number(slow % (HOST % "post")) < 60000
    assert prometheus.number("sum(istio_tcp_received_bytes_total{reporter=\"source\"})") == 1000
    assert prometheus.number("tulle_control_proxies_connected") == 3


def test_labels_of_both_sides_are_those_of_the_command_line_and_the_identity(mesh, prometheus):
    del mesh
    own = "source_app=\"shop\",source_version=\"v2\",source_canonical_service=\"shop\",source_canonical_revision=\"v2\",source_cluster=\"unknown\""
    assert prometheus.number("count(istio_requests_total{reporter=\"source\",source_workload=\"web\"} unless istio_requests_total{%s})" % own) is None
    assert prometheus.number("count(istio_requests_total{%s,destination_workload=\"post\",destination_workload_namespace=\"default\"})" % own) >= 1
    # post has labels as well, image has none: each knows of the other what its certificate says.
    of_post = "destination_app=\"posts\",destination_version=\"unknown\",destination_canonical_service=\"posts\""
    of_image = "destination_app=\"unknown\",destination_canonical_service=\"image\",destination_canonical_revision=\"latest\""
    for family in ("istio_requests_total", "istio_tcp_connections_opened_total"):
        for side in ("source", "destination"):
            seen = "reporter=\"%s\",source_workload=\"web\",%s,%s" % (side, own, of_image)
            assert prometheus.number("count(%s{%s})" % (family, seen)) >= 1, (family, side)
    seen = "reporter=\"destination\",source_workload=\"web\",%s,%s" % (own, of_post)
    assert prometheus.number("count(istio_requests_total{%s,destination_canonical_revision=\"latest\"})" % seen) >= 1
    assert prometheus.number("count(istio_build{component=\"proxy\"})") == 3


def test_its_exemplars_are_the_traces_of_requests(mesh, prometheus):
    """A bucket of a latency leads to a trace: that of the last request that fell into it."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    asked = [("traceparent", "00-%s-00f067aa0ba902b7-01" % trace)]
    assert raw.get(mesh.web.outbound, "/", host="post", headers=asked).status == 200
    mesh.asked["post", 200] += 1
    of_web = "istio_request_duration_milliseconds_bucket{reporter=\"source\",destination_service=\"%s\"}" % (HOST % "post")

    def found():
        return [each for series in prometheus.exemplars(of_web) for each in series["exemplars"] if each["labels"]["trace_id"] == trace]
    processes.wait_until(found, "Prometheus has the trace of the request", 15)
    exemplar = found()[0]
    assert re.fullmatch("[0-9a-f]{16}", exemplar["labels"]["span_id"]) and exemplar["labels"]["span_id"] != "00f067aa0ba902b7"
    assert 0 < float(exemplar["value"]) < 60000
    assert abs(float(exemplar["timestamp"]) - time.time()) < 300
    plain = raw.get(mesh.metrics_ports["web"], "/metrics", host="localhost").body
    assert b"istio_requests_total{" in plain and b"trace_id" not in plain


def test_its_scrapes_are_openmetrics_and_compressed(mesh):
    asked = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"), ("Accept-Encoding", "gzip")]
    page = raw.get(mesh.metrics_ports["post"], "/metrics", headers=asked, host="localhost")
    assert page.header("content-type") == ["application/openmetrics-text; version=1.0.0; charset=utf-8"]
    text = gzip.decompress(page.body).decode()
    assert "# TYPE istio_requests counter\n" in text and "\nistio_requests_total{" in text
    assert text.endswith("\n# EOF\n") and "\ntulle_build_info{" in text


# -- promtool

def names_of_ports(*arguments):
    """Of the containers in the manifests that tullectl prints."""
    done = subprocess.run([control.binary("control-plane/cli/tullectl"), *arguments], input=POD, capture_output=True, text=True, check=True, timeout=60)
    found = set()
    for manifest in yaml.safe_load_all(done.stdout):
        pod = manifest["spec"].get("template", manifest) if manifest["kind"] in ("Deployment", "Pod") else {"spec": {}}
        for container in pod["spec"].get("containers", []) + pod["spec"].get("initContainers", []):
            found |= {port["name"] for port in container.get("ports", [])}
    return found


def test_the_documented_configuration_for_kubernetes_is_valid(tmp_path):
    """Debian's Prometheus cannot ask Kubernetes: all but that is checked, and that the ports have the names by which they are found."""
    configuration = yaml.safe_load(documented_configurations()[2])
    for job in configuration["scrape_configs"]:
        assert job.pop("kubernetes_sd_configs")[0]["role"] == "pod"
    path = tmp_path / "prometheus.json"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    done = subprocess.run([processes.program("promtool"), "check", "config", str(path)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr

    kept = {job["job_name"]: rule["regex"] for job in configuration["scrape_configs"] for rule in job["relabel_configs"] if rule.get("action") == "keep"}
    assert kept["tulle"] in names_of_ports("inject", "-f", "-")
    assert kept["tulle-control"] in names_of_ports("install")


# Istio's name, which dashboards know: its unit is not Prometheus' base unit.
KNOWN_COMPLAINT = "istio_request_duration_milliseconds use base unit \"seconds\" instead of \"milliseconds\""


def complaints(metrics):
    done = subprocess.run([processes.program("promtool"), "check", "metrics"], input=metrics, capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode().splitlines()


def test_promtool_complains_of_nothing_but_istios_unit(mesh):
    for name, port in mesh.metrics_ports.items():
        page = raw.get(port, "/metrics", host="localhost").body
        assert set(complaints(page)) == {KNOWN_COMPLAINT}, name
    assert complaints(raw.get(mesh.health, "/metrics", host="localhost").body) == []


def test_promtool_complains_of_bad_metrics():
    assert complaints(b"# TYPE requests counter\nrequests 1\n")


# -- dashboards

VARIABLES = {"__rate_interval": "30s", "__range": "5m", "datasource": "prometheus"}


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def panels_of(dashboard):
    """Rows that are folded have their panels inside."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def filled(expression):
    """With all variables set to what "All" means."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: VARIABLES.get(found[1], ".*"), expression)


def expressions_of(dashboard):
    """(where, PromQL, labels that are shown): of the panels, and of the variables in the form label_values(SELECTOR, LABEL)."""
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            shown = re.findall(r"\{\{\s*(\w+)\s*\}\}", target.get("legendFormat", ""))
            yield panel["title"], filled(target["expr"]), shown
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            yield "$" + variable["name"], filled(selector), [label]


def problems(prometheus, expression, shown=()):
    """What of an expression Prometheus does not know."""
    for metric, labels in names_in(expression).items():
        known = prometheus.labels_of(metric)
        if not known:
            yield "nobody exports %s" % metric
        for label in labels - known if known else ():
            yield "%s has no label %s" % (metric, label)
    try:
        rows = prometheus.query(expression)
    except Rejected as error:
        yield str(error)
        return
    if not rows:
        yield "no series"
    for label in shown:
        if not any(label in row for row, _ in rows):
            yield "no series has the label %s" % label


@pytest.mark.parametrize("path", DASHBOARDS, ids=os.path.basename)
def test_a_dashboard_is_one_that_grafana_takes(path):
    dashboard = load(path)
    assert dashboard["uid"] and dashboard["title"] and dashboard["schemaVersion"] == 39
    assert "__inputs" not in dashboard and dashboard.get("id") is None
    ids = [panel["id"] for panel in panels_of(dashboard)]
    assert len(ids) == len(set(ids)), ids
    taken = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for cell in [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]:
            assert taken.setdefault(cell, panel["title"]) == panel["title"], (panel["title"], taken[cell])
    known = {variable["name"] for variable in dashboard["templating"]["list"]} | set(VARIABLES)
    assert set(re.findall(r"\$\{?(\w+)\}?", json.dumps(dashboard["panels"]))) <= known


def test_dashboards_have_names_of_their_own():
    assert {os.path.basename(path) for path in DASHBOARDS} == {"mesh.json", "service.json", "sidecar.json", "control-plane.json"}
    dashboards = [load(path) for path in DASHBOARDS]
    for key in ("uid", "title"):
        assert len({dashboard[key] for dashboard in dashboards}) == len(dashboards)


@pytest.mark.parametrize("path", DASHBOARDS, ids=os.path.basename)
def test_a_dashboard_names_nothing_that_no_program_exports(prometheus, path):
    found = list(expressions_of(load(path)))
    assert len(found) >= 8

    def wrong():
        return [(where, expression, problem) for where, expression, shown in found for problem in problems(prometheus, expression, shown)]
    try:  # A rate needs two scrapes of a series.
        processes.wait_until(lambda: not wrong(), "nothing is wrong", 20)
    except AssertionError:
        assert wrong() == []


@pytest.mark.parametrize("expression,shown,problem", [
    ("sum(rate(tulle_invented_total[30s]))", [], "nobody exports tulle_invented_total"),
    ("sum by (invented) (istio_requests_total)", [], "istio_requests_total has no label invented"),
    ("istio_requests_total{invented=~\".*\"}", [], "istio_requests_total has no label invented"),
    ("sum(istio_requests_total)", ["reporter"], "no series has the label reporter"),
    ("istio_requests_total{reporter=\"nobody\"}", [], "no series"),
    ("sum(istio_requests_total", [], "parse error"),
])
def test_a_wrong_expression_is_found(prometheus, expression, shown, problem):
    assert any(problem in each for each in problems(prometheus, expression, shown))
