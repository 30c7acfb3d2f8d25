"""`tullectl bug-report`: the archive has what helps, and no secret of a mesh whose secrets are known."""
import glob
import json
import os
import re
import signal
import stat
import tarfile

import processes
import pytest
from mesh import Mesh, Refused

HEADER_SECRET = "hunter2-of-the-header"
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: web
  annotations: {note: %(secret)s}
spec:
  parentRefs: [{kind: Service, name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /items}, headers: [{name: x-api-key, value: %(secret)s}]}]
    filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-upstream-key, value: %(secret)s}]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-more, value: "Basic %(secret)s"}]}}
    backendRefs: [{name: web, port: 80}]
""" % {"secret": HEADER_SECRET}


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
        return {member.name.split("/", 1)[1]: archive.extractfile(member).read().decode() for member in archive.getmembers()}, path


def secrets_of(mesh):
    """Those of files, as lines and as what is between the marks of PEM."""
    texts = [HEADER_SECRET, json.load(open(mesh.admin_file, encoding="utf-8"))["credential"], mesh.tullectl("token", "create", "--service", "late", "-o", "raw").strip(),
             mesh.tullectl("credential", "create", "someone", "-o", "raw").strip(), open(mesh.path("web.token"), encoding="utf-8").read().strip()]
    # What a token tells beside the hash of the root, which is public.
    texts += [text.rsplit(".", 1)[1] for text in texts if text.startswith("tulle1.")]
    keys = [text for file in glob.glob(mesh.path("**"), recursive=True) if os.path.isfile(file) and not file.endswith(".gz")
            for text in re.findall(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(\S+)", open(file, "rb").read())]
    assert keys, "the sidecar keeps its key in a file"
    return texts + [key.decode() for key in keys]


def test_it_has_what_helps_and_no_secret(mesh):
    mesh.apply(ROUTE)
    processes.wait_until(lambda: HEADER_SECRET in mesh.tullectl("proxy-config", mesh.web.instance, "routes", "--live"), "the header is in the sidecar", 30)
    secrets = secrets_of(mesh)
    files, path = report(mesh, "report.tar.gz", "--proxy", mesh.web.instance)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    folder = "proxies/1-%s/" % mesh.web.instance
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
