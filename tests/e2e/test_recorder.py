"""The flight recorder of a real sidecar: what it did is known after a crash."""
import json
import os
import re
import signal
import stat
import subprocess
import threading

import processes
import pytest
import raw
from mesh import Mesh
from origin import reply


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    yield mesh
    mesh.close()


def printed(mesh, folder):
    """The records in the files of a state directory."""
    done = subprocess.run([mesh.binary("sidecar/tulle-sidecar"), "--print-recorder", folder],
                          capture_output=True, text=True, timeout=30, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_path(records, path):
    return next(record for record in records if record.get("path") == path)


def by_id(records):
    """Without the name of the file; of those that ended at the same time, any may be the first."""
    return {record["requestId"]: {**record, "file": ""} for record in records}


def wait_for_answer(workload, host="web"):
    processes.wait_until(lambda: raw.get(workload.outbound, "/", host=host).status == 200, "the mesh answers")


def test_records_say_what_was_decided(mesh):
    web, caller = mesh.add("web"), mesh.add("caller")
    wait_for_answer(caller)
    web.origin.answer = lambda request, sock: reply(b"", "500 Internal Server Error")
    answer = raw.get(caller.outbound, "/failing?secret=1", host="web")
    assert answer.status == 500
    # Not of the sidecar's own.
    assert answer.header("x-request-id") == []
    outbound = of_path(printed(mesh, caller.state), "/failing")
    assert (outbound["outbound"], outbound["method"], outbound["authority"], outbound["status"]) == (True, "GET", "web", 500), outbound
    assert outbound["service"].startswith("web.default") and outbound["cluster"], outbound
    assert outbound["endpoint"] == "127.0.0.1:%d" % web.inbound and outbound["destination"].endswith("/sa/web"), outbound
    assert outbound["mutualTls"] and outbound["attempts"] >= 1 and "cause" not in outbound, outbound
    times = [int(outbound[name]) for name in ("upstreamAsked", "upstreamAnswered", "ended")]
    assert 0 < times[0] < times[1] <= times[2], outbound
    inbound = of_path(printed(mesh, web.state), "/failing")
    assert inbound["source"].endswith("/sa/caller") and inbound["mutualTls"] and not inbound.get("outbound"), inbound
    assert inbound["requestId"] == outbound["requestId"], (inbound, outbound)
    assert "secret" not in json.dumps([inbound, outbound])


def test_errors_of_the_sidecar_tell_the_request_id(mesh):
    caller = mesh.add("caller")
    answer = processes.wait_until(lambda: (lambda one: one if one.status == 404 else None)(raw.get(caller.outbound, "/", host="nobody")), "an error")
    [request_id] = answer.header("x-request-id")
    record = next(one for one in printed(mesh, caller.state) if one["requestId"] == request_id)
    assert record["status"] == 404, record


def test_a_killed_sidecar_leaves_its_records(mesh):
    web, caller = mesh.add("web"), mesh.add("caller")
    wait_for_answer(caller)
    stop = threading.Event()

    def load():
        number = 0
        while not stop.is_set():
            number += 1
            try:
                raw.get(caller.outbound, "/load/%d" % number, host="web")
            except (OSError, EOFError):
                return

    clients = [threading.Thread(target=load) for _ in range(4)]
    for client in clients:
        client.start()
    processes.wait_until(lambda: len(printed(mesh, caller.state)) > 200, "there is traffic")
    caller.sidecar.stop(signal.SIGKILL)
    stop.set()
    for client in clients:
        client.join()
    before = printed(mesh, caller.state)
    assert len(before) > 200 and all(record["status"] == 200 for record in before if record.get("path", "").startswith("/load/")), before[:3]

    mesh.start_sidecar(caller)
    processes.wait_until(lambda: caller.sidecar.running() and processes.listening(caller.outbound), "it runs again")
    wait_for_answer(caller)
    after = printed(mesh, caller.state)
    kept = [record for record in after if record["file"].endswith(".previous.ring")]
    assert by_id(kept) == by_id(before)
    assert [one for one in after if one not in kept], "the new process records"
    files = [name for name in os.listdir(caller.state) if name.startswith("recorder-")]
    assert files and all(stat.S_IMODE(os.stat(os.path.join(caller.state, name)).st_mode) == 0o600 for name in files), files
    assert web.origin


POLICIES = """\
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: web}
spec:
  targetRef: {kind: Service, name: web}
  retries: {attempts: 2, on: [5xx]}
  breaker: {consecutiveFailures: 50}
---
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: callers}
spec:
  targetRef: {kind: Service, name: web}
  action: ALLOW
  rules: [{from: {principals: [ns/default/sa/nobody]}}, {from: {principals: [ns/default/sa/caller]}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{kind: Service, name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /elsewhere}}]
    backendRefs: [{name: web, port: 80}]
  - matches: [{path: {type: PathPrefix, value: /}}]
    backendRefs: [{name: web, port: 80}]
"""


def told(record, kind):
    return [one for one in record.get("decisions", ()) if one["kind"] == kind]


def answer_badly(request, _sock):
    """Always to /failing, once to /retried."""
    seen = answer_badly.seen
    seen.append(request.path)
    bad = request.path == "/failing" or (request.path == "/retried" and seen.count(request.path) == 1)
    return reply(b"", "500 Internal Server Error" if bad else "200 OK")


def test_a_killed_sidecar_leaves_what_was_decided(mesh):
    answer_badly.seen = []
    web, caller = mesh.add("web"), mesh.add("caller")
    web.origin.answer = answer_badly
    mesh.apply(POLICIES)
    endpoint = "127.0.0.1:%d" % web.inbound

    def last_of(path):
        """Until the policies are in force."""
        return lambda: (lambda one: one if one["attempts"] == (3 if path == "/failing" else 2) else answer_badly.seen.clear())(
            (raw.get(caller.outbound, path, host="web"), of_path(printed(mesh, caller.state), path))[1])

    for path in ("/failing", "/retried"):
        processes.wait_until(last_of(path), path + " is retried")
    for workload in (caller, web):
        workload.sidecar.stop(signal.SIGKILL)
    found = printed(mesh, caller.state)
    failing, retried = of_path(found, "/failing"), of_path(found, "/retried")

    assert failing["status"] == 500 and retried["status"] == 200, (failing, retried)
    assert failing["source"].endswith("/sa/caller") and failing["destination"].endswith("/sa/web"), failing
    # Its number, and the version of the resource that came last into it, as `tullectl proxy-config` shows it.
    assert re.fullmatch(r"\d+: [A-Za-z]+ \S+ version [0-9a-f]{16}", failing["configuration"]), failing
    routes = [(one.get("positive", False), one["reason"]) for one in told(failing, "route")]
    assert routes == [(False, "path does not match"), (True, "matches")], failing
    attempts = told(failing, "attempt")
    assert [one["subject"] for one in attempts] == [endpoint] * 3, failing
    assert all(re.fullmatch(r"status 500, began after \d+ us, took \d+ us, circuit breaker closed", one["reason"]) for one in attempts), failing
    assert [one.get("positive", False) for one in told(failing, "retry")] == [True, True, False], failing
    assert told(failing, "retry")[-1]["reason"] == "no retries left, status 500", failing
    assert [(one["subject"], one["positive"]) for one in told(failing, "endpoint")] == [(endpoint, True)], failing
    limits = {one["subject"]: one["reason"] for one in told(failing, "cluster limit")}
    assert re.fullmatch(r"in use when the request ended: 1 of \d+", limits["max_requests"]) and len(limits) == 4, limits

    attempts = told(retried, "attempt")
    assert [(one.get("positive", False), one["reason"].split(",")[0]) for one in attempts] == [(False, "status 500"), (True, "status 200")], retried
    inbound = of_path(printed(mesh, web.state), "/failing")
    [policy] = told(inbound, "authorization")
    assert policy["subject"] == "ns[default]-policy[callers]-rule[1]" and policy["positive"], inbound
    assert inbound["destination"].endswith("/sa/web"), inbound


def test_files_of_another_version_are_told(mesh):
    caller = mesh.add("caller")
    caller.sidecar.stop(signal.SIGKILL)
    path = os.path.join(caller.state, "recorder-0.ring")
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(b"\1")
    [line] = [one for one in printed(mesh, caller.state) if one["file"] == "recorder-0.ring"]
    assert "in format 1, and this one reads format 2" in line["error"], line


def test_printing_says_what_is_wrong(mesh, tmp_path):
    done = subprocess.run([mesh.binary("sidecar/tulle-sidecar"), "--print-recorder", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and "no files of a flight recorder" in done.stderr, done
