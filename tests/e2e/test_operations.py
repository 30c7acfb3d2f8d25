"""What an operator does: programs with a sidecar, hosts files, undoing, copies of the store."""
import json
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

import processes
import raw
from mesh import Mesh, Refused

STRICT = """\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: %s}
spec: {targetRef: {kind: Service, name: %s}, mode: %s}
"""

# Serves its PORT, and calls another service by HTTP_PROXY when asked to.
PROGRAM = """\
import http.server, os, signal, sys, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def do_GET(self):
        if self.path.startswith("/call/"):
            body = urllib.request.urlopen("http://" + self.path[6:] + "/", timeout=5).read()
        else:
            body = b"own"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

def end(number, _):
    print("program: signal", number, flush=True)
    sys.exit(7)

signal.signal(signal.SIGTERM, end)
print("program: up, proxy", os.environ["HTTP_PROXY"], flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def apply(mesh, *policies):
    return mesh.tullectl("apply", "-f", "-", text="---\n".join(policies))


def modes(mesh):
    items = json.loads(mesh.tullectl("get", "peerauthentications", "-o", "json"))["items"]
    return {item["metadata"]["name"]: item["spec"]["mode"] for item in items}


class Run:
    """tullectl run, as a shell would."""

    def __init__(self, mesh, service, *words, program=None, port=None, who=None):
        self.port = port or processes.free_port()
        self.child = processes.Child(
            [mesh.binary("control-plane/cli/tullectl"), *(["--credential-file", os.path.join(mesh.data, "admin.json")] if who is None else who), "run",
             "--service", service, "--port", str(self.port), "--service-port", "80", "--sidecar", mesh.binary("sidecar/tulle-sidecar"),
             "--state-dir", mesh.path("run-" + service), *words, "--",
             *(program or ["/usr/bin/python3", "-u", "-c", PROGRAM])], mesh.path("run-" + service + ".log"))
        mesh.children.append(self.child)

    def wait(self):
        processes.wait_until(lambda: "program: up" in self.child.log() or not self.child.running(), "the program is up:\n" + self.child.log(), 40)
        assert self.child.running(), self.child.log()
        return self


def test_a_program_gets_a_sidecar_and_gives_its_exit_code(mesh):
    caller = mesh.add("caller")
    web = Run(mesh, "web").wait()
    # One line says how it is called, how it calls and where its admin pages are. It found the unusual port of the control plane by itself.
    (line,) = [each for each in web.child.log().splitlines() if each.startswith("tullectl: ")]
    where = re.fullmatch(r"tullectl: web is in the mesh: clients call it at port 80 \(the sidecar listens on (\d+)\), "
                         r"it calls services through 127\.0\.0\.1:(\d+), admin pages at http://127\.0\.0\.1:(\d+)/", line)
    assert where and raw.get(int(where.group(3)), "/ready", host="127.0.0.1").status == 200, line
    assert processes.listening(int(where.group(2)))
    processes.wait_until(lambda: mesh.in_step("web"), "web is in step")
    processes.wait_until(lambda: raw.get(caller.outbound, "/", host="web").status == 200, "web is called by others", 10)
    assert raw.get(caller.outbound, "/", host="web").body == b"own"
    # It calls others by the proxy it was told of, in absolute form.
    answer = raw.get(caller.outbound, "/call/caller", host="web")
    assert answer.status == 200, answer.body
    (request,) = caller.origin.requests
    assert "sa/web" in ",".join(request.header("x-forwarded-client-cert"))
    # Whom nobody has described it is told how to reach, and what it was told to call directly it does.
    lost = raw.get(int(web.child.log().split("proxy http://127.0.0.1:")[1].split()[0]), "/", host="example.org")
    assert lost.status == 404 and b"NO_PROXY" in lost.body and b"ExternalService" in lost.body
    web.child.process.send_signal(signal.SIGTERM)
    assert web.child.process.wait(30) == 7, web.child.log()
    assert "program: signal 15" in web.child.log()
    processes.wait_until(lambda: "web" not in mesh.tullectl("status"), "it has left the registry")


def test_a_token_is_all_that_a_host_of_workloads_needs(mesh):
    token = mesh.make_token("web")
    web = Run(mesh, "web", "--control", "127.0.0.1:%d" % mesh.grpc, "--token-file", token, who=["--config", "/dev/null"]).wait()
    processes.wait_until(lambda: mesh.in_step("web"), "web is in step")
    # A reader's credential is enough for names, and for nothing else.
    reader = mesh.path("reader.json")
    mesh.tullectl("credential", "create", "hosts", "--role", "reader", "--out", reader)
    assert " web\n" in mesh.tullectl("--credential-file", reader, "hosts")
    with pytest.raises(Refused, match="hosts has the role reader"):
        mesh.tullectl("--credential-file", reader, "token", "create", "--service", "web")
    assert web.child.running()


def test_a_sidecar_that_dies_comes_back_and_the_program_stays(mesh):
    web = Run(mesh, "web").wait()
    children = subprocess.run(["pgrep", "-P", str(web.child.pid), "tulle-sidecar"], capture_output=True, text=True, check=False).stdout.split()
    os.kill(int(children[0]), signal.SIGKILL)
    processes.wait_until(lambda: "it is started again" in web.child.log(), "it is said")
    processes.wait_until(lambda: mesh.in_step("web"), "web is in step again", 40)
    assert web.child.running()


@pytest.mark.parametrize("program,code", [(["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137)])
def test_the_exit_code_is_the_programs(mesh, program, code):
    assert Run(mesh, "job", program=program).child.process.wait(40) == code


def test_output_that_cannot_be_written_is_an_error(mesh):
    command = mesh.command("status", "-o", "json")
    full = subprocess.run(["sh", "-c", command + " > /dev/full"], capture_output=True, text=True, timeout=30, check=False, cwd=processes.ROOT)
    assert full.returncode == 1
    assert "cannot write to standard output" in full.stderr
    gone = subprocess.run(["bash", "-c", command + " | true; echo ${PIPESTATUS[0]}"], capture_output=True, text=True, timeout=30, check=False,
                          cwd=processes.ROOT)
    assert gone.stdout.strip() in ("0", "141"), gone.stderr
    assert not gone.stderr


def test_what_cannot_run_is_said(mesh):
    run = Run(mesh, "web", program=["/does/not/exist"])
    assert run.child.process.wait(40) == 1
    assert "cannot start /does/not/exist: No such file" in run.child.log()
    with pytest.raises(Refused, match="write it after --"):
        mesh.tullectl("run", "--service", "web", "--port", "1")


@pytest.mark.parametrize("words", [["--listen", "%d"], ["--upstream", "redis:6379=%d"]])
def test_an_occupied_port_is_said_before_anything_starts(mesh, words):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        run = Run(mesh, "web", *[word % port if "%d" in word else word for word in words])
        assert run.child.process.wait(40) == 1
    assert re.search(r"port %d .*is already in use" % port, run.child.log()), run.child.log()
    assert not os.path.exists(mesh.path("run-web")), "no key, no token"


def test_the_hosts_file_is_ours_between_two_marks_alone(mesh, tmp_path):
    mesh.add("post")
    shown = mesh.tullectl("hosts")
    (line,) = [each for each in shown.splitlines() if not each.startswith("#")]
    address, *names = line.split()
    assert address.startswith("240.240.0.") and names == ["post.default.svc.cluster.local", "post.default.svc", "post.default", "post"]
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost")
    hosts.chmod(0o644)
    assert "1 service" in mesh.tullectl("hosts", "--write", str(hosts))
    assert hosts.read_text() == "127.0.0.1 localhost\n" + shown
    assert "unchanged" in mesh.tullectl("hosts", "--write", str(hosts))
    assert stat.S_IMODE(hosts.stat().st_mode) == 0o644
    hosts.write_text(hosts.read_text() + "10.0.0.1 mine\n")
    mesh.add("shop")
    mesh.tullectl("hosts", "--write", str(hosts))
    text = hosts.read_text()
    assert text.startswith("127.0.0.1 localhost\n") and text.endswith("10.0.0.1 mine\n") and " shop\n" in text
    # The address of post is what it was, whoever came meanwhile, and over a restart.
    assert line in text
    mesh.control.stop()
    mesh.start_control()
    assert line in mesh.tullectl("hosts")
    mesh.tullectl("hosts", "--remove", str(hosts))
    assert hosts.read_text() == "127.0.0.1 localhost\n10.0.0.1 mine\n"


def test_one_policy_and_all_of_them_go_back(mesh):
    apply(mesh, STRICT % ("a", "a", "PERMISSIVE"), STRICT % ("b", "b", "PERMISSIVE"))
    apply(mesh, STRICT % ("a", "a", "STRICT"))
    apply(mesh, STRICT % ("b", "b", "STRICT"), STRICT % ("c", "c", "STRICT"))
    history = mesh.tullectl("history")
    assert "changed peerauthentication/b, created peerauthentication/c" in history, history
    (before,) = [row.split()[0] for row in history.splitlines() if "changed peerauthentication/a" in row]

    assert "-  mode: STRICT\n+  mode: PERMISSIVE" in mesh.tullectl("rollback", "peerauthentication", "a", "--dry-run")
    assert modes(mesh) == {"a": "STRICT", "b": "STRICT", "c": "STRICT"}
    assert "peerauthentication/a changed" in mesh.tullectl("rollback", "pa/a")
    assert modes(mesh) == {"a": "PERMISSIVE", "b": "STRICT", "c": "STRICT"}
    mesh.tullectl("rollback")
    assert modes(mesh) == {"a": "STRICT", "b": "STRICT", "c": "STRICT"}, "the last change, which was a rollback"
    out = mesh.tullectl("rollback", "--to-revision", before)
    assert "peerauthentication/b changed" in out and "peerauthentication/c deleted" in out
    assert modes(mesh) == {"a": "STRICT", "b": "PERMISSIVE"}
    assert "created" in mesh.tullectl("history", "pa", "a")
    mesh.tullectl("delete", "pa", "a")
    mesh.tullectl("rollback", "pa", "a")
    assert modes(mesh)["a"] == "STRICT"
    with pytest.raises(Refused, match="see `tullectl history`"):
        mesh.tullectl("rollback", "--to-revision", "9999")
    with pytest.raises(Refused, match="no change of PeerAuthentication default/none"):
        mesh.tullectl("rollback", "pa", "none")


def test_a_lost_store_comes_back_from_a_backup(mesh):
    post, caller = mesh.add("post"), mesh.add("caller")
    apply(mesh, STRICT % ("post", "post", "STRICT"))
    hosts = mesh.tullectl("hosts")
    backup = mesh.path("mesh.backup")
    assert "KiB of cluster.local" in mesh.tullectl("backup", backup)
    assert stat.S_IMODE(os.stat(backup).st_mode) == 0o600
    with pytest.raises(Refused, match="already exists"):
        mesh.tullectl("backup", backup)
    with pytest.raises(Refused, match="stop tulle-control first"):
        mesh.tullectl("restore", backup, "--data-dir", mesh.data)
    apply(mesh, STRICT % ("post", "post", "PERMISSIVE"), STRICT % ("late", "late", "STRICT"))
    mesh.kill_control()
    with pytest.raises(Refused, match="or --force"):
        mesh.tullectl("restore", backup, "--data-dir", mesh.data)
    # The log that a kill leaves behind belongs to the store that is put away.
    os.rename(os.path.join(mesh.data, "tulle.db"), os.path.join(mesh.data, "tulle.db.bad"))
    assert os.path.getsize(os.path.join(mesh.data, "tulle.db-wal")) > 0
    assert " restored" in mesh.tullectl("restore", backup, "--data-dir", mesh.data)
    assert stat.S_IMODE(os.stat(os.path.join(mesh.data, "tulle.db")).st_mode) == 0o600
    mesh.start_control()
    assert modes(mesh) == {"post": "STRICT"} and mesh.tullectl("hosts") == hosts
    # The sidecars' certificates are still good: the roots are those of the backup.
    for workload in (post, caller):
        mesh.wait_in_step(workload)
    assert raw.get(caller.outbound, "/", host="post").status == 200


def test_a_damaged_store_gives_way_to_a_backup(mesh):
    apply(mesh, STRICT % ("post", "post", "STRICT"))
    backup = mesh.path("mesh.backup")
    mesh.tullectl("backup", backup)
    mesh.control.stop()
    with open(os.path.join(mesh.data, "tulle.db"), "r+b") as file:
        file.write(b"x" * 4096)
    assert "The previous store is kept as" in mesh.tullectl("restore", backup, "--data-dir", mesh.data, "--force")
    mesh.start_control()
    assert modes(mesh) == {"post": "STRICT"}


def test_a_backup_in_an_empty_folder_is_entered_by_a_new_credential(mesh):
    apply(mesh, STRICT % ("post", "post", "STRICT"))
    backup = mesh.path("mesh.backup")
    mesh.tullectl("backup", backup)
    mesh.control.stop()
    other = mesh.path("other")
    mesh.tullectl("restore", backup, "--data-dir", other)
    mesh.data = other
    mesh.start_control()
    assert "admin.json does not exist" in mesh.control.log() and "--reset-admin" in mesh.control.log()
    mesh.control.stop()
    mesh.control_arguments = ("--reset-admin",)
    mesh.start_control()
    assert "tullectl --credential-file %s/admin.json" % other in mesh.control.log()
    assert modes(mesh) == {"post": "STRICT"}


def test_a_damaged_backup_changes_nothing(mesh):
    apply(mesh, STRICT % ("post", "post", "STRICT"))
    backup = mesh.path("mesh.backup")
    mesh.tullectl("backup", backup)
    mesh.control.stop()
    with open(backup, encoding="utf-8") as file:
        content = json.load(file)
    content["store"] = content["store"][:4000] + "A" * 8000 + content["store"][12000:]
    with open(backup, "w", encoding="utf-8") as file:
        json.dump(content, file)
    with pytest.raises(Refused, match="or it is damaged"):
        mesh.tullectl("restore", backup, "--data-dir", mesh.data, "--force")
    mesh.start_control()
    assert modes(mesh) == {"post": "STRICT"}
