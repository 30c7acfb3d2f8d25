"""When everything has expired, `tullectl check` says what, when, and how the mesh comes back: by these very words it does."""
import json
import os
import re
import ssl
import subprocess
import time
import urllib.request

import pytest

import processes
import raw
from mesh import Mesh, Refused

ROOT_TTL, SVID_TTL = 25, 10
LIFETIMES = ("--root-ttl", "%ds" % ROOT_TTL, "--svid-ttl", "%ds" % SVID_TTL)


@pytest.fixture
def start_mesh(tmp_path):
    made = []

    def start(*arguments):
        made.append(Mesh(tmp_path, *arguments))
        return made[-1]
    yield start
    for mesh in made:
        mesh.close()


def credential_file(mesh):
    with open(os.path.join(mesh.data, "admin.json"), encoding="utf-8") as file:
        return json.load(file)


def check(mesh):
    """Exit code and all that it said."""
    argv = [mesh.binary("control-plane/cli/tullectl"), "--credential-file", os.path.join(mesh.data, "admin.json"), "check"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "HOME": mesh.folder})
    return done.returncode, done.stdout + done.stderr


def says(mesh, *texts):
    code, said = check(mesh)
    return said if code == 1 and all(text in said for text in texts) else None


def commands(said, program="tullectl"):
    """What stands behind a $, as words."""
    return [line.split("$ ", 1)[1].split() for line in said.splitlines() if "$ " + program in line]


def status(workload):
    try:
        return raw.get(workload.outbound, host="web").status
    except OSError:
        return None


def test_everything_expired_comes_back_by_what_check_says(start_mesh):
    mesh = start_mesh(*LIFETIMES)
    web, shop = mesh.add("web"), mesh.add("shop")
    # Join tokens that end as soon as they have been used.
    for name in ("web", "shop"):
        with open(mesh.path(name + ".token"), "w", encoding="utf-8") as file:
            file.write(mesh.tullectl("token", "create", "--service", name, "--ttl", "2s", "-o", "raw"))
    processes.wait_until(lambda: status(shop) == 200, "the mesh serves")
    old_admin = credential_file(mesh)

    mesh.kill_control()
    died = time.monotonic()
    said = processes.wait_until(lambda: says(mesh, "expired at"), "the root has ended", 60)
    assert time.monotonic() - died < ROOT_TTL + 15
    assert "cannot connect to" in said and re.search(r"expired at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, \d+s ago", said), said
    steps = [said.index(text) for text in ("1. $ date -u", "2. $ systemctl restart tulle-control", "3. $ tullectl --credential-file",
                                           "4. $ tullectl --credential-file", "5. $ tullectl --credential-file")]
    assert steps == sorted(steps)
    admin = os.path.join(mesh.data, "admin.json")
    assert commands(said)[0] == ["tullectl", "--credential-file", admin, "check"]

    # What is open stays; nothing new is opened, as after a restart of the machine.
    web.sidecar.stop()
    mesh.start_sidecar(web)
    processes.wait_until(lambda: status(shop) not in (None, 200), "certificates have ended")

    # 2. Its root has ended: at its start it makes a new one, and admin.json.
    mesh.start_control()
    processes.wait_until(lambda: credential_file(mesh)["ca"] != old_admin["ca"], "admin.json is new")
    # 3. Who cannot get in, and since when.
    said = processes.wait_until(lambda: says(mesh, "workload certificates: expired:", shop.instance + " by 2", web.instance + " by 2"),
                                "check names them:\n" + check(mesh)[1])
    wanted = [["tullectl", "token", "create", "--service", name, "-o", "raw", ">", "FILE"] for name in ("shop", "web")]
    for words in wanted:
        assert words in commands(said), said
    # 4. These very commands.
    for words in wanted:
        with open(mesh.path(words[4] + ".token"), "w", encoding="utf-8") as file:
            file.write(mesh.tullectl(*words[1:words.index(">")]))
    processes.wait_until(lambda: status(shop) == 200, "the mesh serves again", 60)
    # 5.
    processes.wait_until(lambda: check(mesh)[0] == 0, "check finds nothing", 40)
    assert shop.sidecar.running(), "it was never restarted"


def test_a_token_that_has_ended_is_named_with_its_owner(start_mesh):
    mesh = start_mesh()
    late = mesh.new_workload("late")
    with open(mesh.path("late.token"), "w", encoding="utf-8") as file:
        file.write(mesh.tullectl("token", "create", "--service", "late", "--ttl", "1s", "-o", "raw"))
    time.sleep(1.1)  # its life
    mesh.start_sidecar(late)
    said = processes.wait_until(lambda: says(mesh, "join tokens: rejected: spiffe://cluster.local/ns/default/sa/late, whose token expired at 2"),
                                "check names it")
    [words] = commands(said)
    with open(mesh.path("late.token"), "w", encoding="utf-8") as file:
        file.write(mesh.tullectl(*words[1:words.index(">")]))
    mesh.wait_in_step(late)
    processes.wait_until(lambda: check(mesh)[0] == 0, "check finds nothing")
    assert "create one with `tullectl token create`" in late.sidecar.log()


def test_a_credential_that_is_gone_is_replaced_by_what_check_says(start_mesh):
    mesh = start_mesh()
    admin = credential_file(mesh)

    def call(method, path, credential, body=None):
        request = urllib.request.Request(admin["server"] + path, method=method, data=json.dumps(body).encode() if body else None,
                                         headers={"Authorization": "Bearer " + credential, "Content-Type": "application/json"})
        context = ssl.create_default_context(cadata=admin["ca"])
        with urllib.request.urlopen(request, context=context, timeout=10) as reply:
            return json.load(reply)
    other = call("POST", "/v1/credentials", admin["credential"], {"name": "other", "role": "admin"})["credential"]
    call("DELETE", "/v1/credentials/admin", other)

    code, said = check(mesh)
    assert code == 1 and "rejected the credential" in said and "--reset-admin" in said, said
    assert commands(said, "tulle-control") == [["tulle-control", "--data-dir", "DATA-DIR", "--reset-admin"]]
    mesh.control.stop()
    mesh.control_arguments = ("--reset-admin",)
    mesh.start_control()
    processes.wait_until(lambda: check(mesh)[0] == 0, "the new credential is good")
    assert credential_file(mesh)["credential"] != admin["credential"]
    assert call("GET", "/v1/policies", other) is not None, "others keep theirs"


def test_fault_89_no_core_holds_a_key(start_mesh):
    mesh = start_mesh()
    shop = mesh.add("shop")
    for child in (mesh.control, shop.sidecar):
        with open("/proc/%d/limits" % child.process.pid, encoding="utf-8") as file:
            [line] = [line for line in file if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["0", "0"], line
        # Nor one that the system pipes to a program, which the limit does not stop.
        with open("/proc/%d/coredump_filter" % child.process.pid, encoding="ascii") as file:
            assert int(file.read(), 16) == 0


def test_fault_89_a_wrong_credential_is_told_nothing(start_mesh):
    mesh = start_mesh()
    good = credential_file(mesh)
    answers = set()
    for wrong in (good["credential"][:-1] + "x", "x" + good["credential"][1:], "", "x", good["credential"] + "x"):
        path = mesh.path("wrong.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**good, "credential": wrong or "none"}, file)
        with pytest.raises(Refused) as refused:
            mesh.tullectl("--credential-file", path, "status")
        answers.add(str(refused.value))
    assert len(answers) == 1, answers
