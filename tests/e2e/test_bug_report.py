"""`tullectl bug-report`: the archive has what helps, and no secret of a mesh whose secrets are known."""
import glob
import json
import os
import re
import signal
import stat
import tarfile

import ads
import grpc
import processes
import pytest
from mesh import Mesh, Refused
from test_versions import channel, register

HEADER_SECRET = "hunter2-of-the-header"
QUERY_SECRET = "hunter3-of-the-query"
METADATA_SECRET = "hunter4-of-the-metadata"
HOSTILE = "..%%2f..\\..\\v1 backup?key=%s" % QUERY_SECRET  # what a workload calls itself
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: web
  annotations: {note: %(secret)s}
  labels: {team: %(label)s}
spec:
  parentRefs: [{kind: Service, name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /items}, headers: [{name: x-api-key, value: %(secret)s}]}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-upstream-key, value: %(secret)s}]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-more, value: "Basic %(secret)s"}]}}
    backendRefs: [{name: web, port: 80}]
""" % {"secret": HEADER_SECRET, "label": METADATA_SECRET}


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    mesh.web = mesh.add("web")
    yield mesh
    mesh.close()


def report(mesh, name, *arguments):
    """{name: text} of the archive's files, and its path."""
    path = mesh.path(name)
    mesh.tullectl("bug-report", "-o", path, *arguments)
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            assert member.isfile() and os.path.normpath(member.name).startswith("tulle-bug-report/"), member.name
        return {member.name.split("/", 1)[1]: archive.extractfile(member).read().decode() for member in archive.getmembers()}, path


def join(mesh, messages, name):
    """A proxy of that name, which has left again."""
    request = messages.type("tulle.registry.v1.RegisterRequest")(
        instance_id=name, address="127.0.0.1", metadata={"note": METADATA_SECRET}, outbound={"http_port": processes.free_port()})
    register(mesh, "hostile", request.SerializeToString())
    hello = messages.type("envoy.service.discovery.v3.DeltaDiscoveryRequest")(type_url=ads.TYPES["cluster"])
    hello.node.id = name
    with channel(mesh, "hostile") as made:
        answers = made.stream_stream(ads.METHOD + "DeltaAggregatedResources", request_serializer=None, response_deserializer=None)(
            iter([hello.SerializeToString()]), timeout=10)
        next(answers)
        answers.cancel()


def secrets_of(mesh):
    """Those of files, as lines and as what is between the marks of PEM."""
    texts = [HEADER_SECRET, QUERY_SECRET, METADATA_SECRET, json.load(open(mesh.admin_file, encoding="utf-8"))["credential"],
             mesh.tullectl("token", "create", "--service", "late", "-o", "raw").strip(),
             mesh.tullectl("credential", "create", "someone", "-o", "raw").strip(), open(mesh.path("web.token"), encoding="utf-8").read().strip()]
    # What a token tells beside the hash of the root, which is public.
    texts += [text.rsplit(".", 1)[1] for text in texts if text.startswith("tulle1.")]
    keys = [text for file in glob.glob(mesh.path("**"), recursive=True) if os.path.isfile(file) and not file.endswith(".gz")
            for text in re.findall(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(\S+)", open(file, "rb").read())]
    assert keys, "the sidecar keeps its key in a file"
    return texts + [key.decode() for key in keys]


def test_it_has_what_helps_and_no_secret(mesh, tmp_path):
    mesh.apply(ROUTE)
    processes.wait_until(lambda: HEADER_SECRET in mesh.tullectl("proxy-config", mesh.web.instance, "routes", "--live", "-o", "yaml"), "the header is in the sidecar", 30)
    messages = ads.Messages(tmp_path)
    with pytest.raises(grpc.RpcError, match="invalid instance_id: it contains '/'"):
        join(mesh, messages, "../../../v1/backup")
    join(mesh, messages, HOSTILE)
    secrets = secrets_of(mesh)
    everybody, _ = report(mesh, "everybody.tar.gz", "--proxy", mesh.web.instance, "--proxy", HOSTILE)
    # It is named, and what it is called leads nowhere else.
    strange = "proxies/2-.._2f.._.._v1_backup__redacted_/"
    assert everybody["errors.txt"] == strange + "live-*.json: the proxy is not connected\n"
    assert strange + "clusters.json" in everybody, sorted(everybody)
    for text in (*everybody, *everybody.values()):
        assert not any(secret in text for secret in secrets), text
    assert METADATA_SECRET in mesh.tullectl("get", "httproute", "web", "-o", "json") and '"note": "[redacted]"' in everybody["workloads.json"]
    files, path = report(mesh, "report.tar.gz", "--proxy", mesh.web.instance)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    folder = "proxies/1-%s/" % mesh.web.instance
    assert "journalctl" in files["logs/WHERE.txt"]
    wanted = {"README.txt", "version.json", "check.json", "proxies.json", "services.json", "policies.json", "events.json", "failures.json", "traffic.json",
              "metrics.txt"} | {folder + part for part in ("routes.json", "clusters.json", "live-routes.json", "live-clusters.json", "live-listeners.json")}
    assert wanted <= set(files), wanted - set(files)
    assert "errors.txt" not in files, files.get("errors.txt")
    # What is taken out was there.
    assert "x-api-key" in files["policies.json"] and "[redacted]" in files["policies.json"]
    assert "x-upstream-key" in files[folder + "routes.json"] and "x-upstream-key" in files[folder + "live-routes.json"]
    assert "tulle_control_" in files["metrics.txt"] and "ProxyConnected" in files["events.json"]
    everything = "\n".join(files.values())
    for secret in secrets:
        assert secret not in everything, "%s... is in %s" % (secret[:12], [name for name, text in files.items() if secret in text])
    assert "PRIVATE KEY" not in everything
    with pytest.raises(Refused, match="already exists"):
        mesh.tullectl("bug-report", "-o", path)


def test_what_cannot_be_read_is_listed(mesh):
    mesh.web.sidecar.stop()
    processes.wait_until(lambda: not mesh.proxies_in_step(), "the sidecar is gone", 30)
    lost = mesh.new_workload("cart")
    mesh.make_token("cart")
    mesh.start_sidecar(lost)
    lost.instance = mesh.wait_in_step(lost)
    lost.sidecar.stop(signal.SIGKILL)
    processes.wait_until(lambda: not mesh.proxies_in_step(), "the sidecar crashed", 30)
    files, _ = report(mesh, "report.tar.gz")
    assert "proxies/1-%s/live-*.json: the proxy is not connected" % lost.instance in files["errors.txt"], files["errors.txt"]
    assert json.loads(files["proxies.json"])["items"][0]["name"] == lost.instance
