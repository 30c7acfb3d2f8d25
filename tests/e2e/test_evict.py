"""A workload whose key was copied: tullectl evict ends it, and a copy of its state is worth nothing afterwards."""
import json
import os
import shutil

import pytest

import processes
import raw
from mesh import Mesh, Refused


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def call(workload, host):
    """The status of a request that the workload's application sends."""
    try:
        return raw.get(workload.outbound, "/", host=host).status
    except OSError:
        return None


def checks(mesh):
    try:
        text = mesh.tullectl("check", "-o", "json")
    except Refused as failed:
        text = str(failed)
    found = text[text.index("{"):text.rindex("}") + 1]
    return {item["name"]: item for item in json.loads(found)["items"]}


def test_an_evicted_workload_is_out_and_may_join_with_a_new_token(mesh):
    web = mesh.add("web")
    caller = mesh.add("caller")
    other = mesh.add("other")
    for workload in (caller, other):
        processes.wait_until(lambda each=workload: call(each, "web") == 200, workload.name + " calls web")

    told = mesh.tullectl("evict", "caller")
    assert "workload %s removed" % caller.instance in told and "evicted: 1 certificate and 1 join token revoked" in told, told

    # Peers refuse it within a moment, on new connections and on those that were open.
    processes.wait_until(lambda: call(caller, "web") == 503, "web refuses the evicted caller:\n" + web.sidecar.log()[-2000:])
    assert caller.instance not in [p["name"] for p in mesh.proxies_in_step()]
    assert "caller" not in mesh.tullectl("services")
    assert call(other, "web") == 200
    # It is told why, and the old token does not help.
    processes.wait_until(lambda: "the control plane rejected the certificate" in caller.sidecar.log(), "it says why:\n" + caller.sidecar.log()[-2000:])
    processes.wait_until(lambda: "unknown or revoked token was rejected" in str(checks(mesh)["join tokens"]), "its attempt is shown")
    assert call(caller, "web") == 503

    # With a new token in the same file it joins again, without a restart.
    mesh.make_token("caller")
    processes.wait_until(lambda: call(caller, "web") == 200, "it is back:\n" + caller.sidecar.log()[-3000:], 60)
    assert call(other, "web") == 200


def test_a_copy_of_the_state_is_noticed_and_ends_with_the_eviction(mesh):
    web = mesh.add("web")
    caller = mesh.add("caller")
    thief = mesh.new_workload("thief")
    shutil.copytree(caller.state, thief.state, dirs_exist_ok=True)
    for entry in os.listdir(thief.state):
        if "instance" in entry:
            os.remove(os.path.join(thief.state, entry))
    with open(mesh.path("thief.token"), "w", encoding="utf-8", opener=lambda name, how: os.open(name, how, 0o600)) as file:
        file.write("tulle1.00.00")  # it has none
    mesh.start_sidecar(thief)
    processes.wait_until(lambda: not checks(mesh)["certificates used once"]["ok"], "two uses of one certificate are shown")
    found = checks(mesh)["certificates used once"]
    assert caller.instance in found["message"] and "evict" in found["hint"], found
    assert "is also used by" in mesh.control.log()

    mesh.tullectl("evict", "caller")
    processes.wait_until(lambda: call(thief, "web") in (None, 503) and call(caller, "web") == 503,
                         "both are refused:\n" + web.sidecar.log()[-2000:])

    # The revocation outlives a restart of the control plane and of the peers.
    mesh.kill_control()
    mesh.start_control()
    mesh.make_token("caller")
    processes.wait_until(lambda: call(caller, "web") == 200, "the owner is back:\n" + caller.sidecar.log()[-3000:], 60)
    assert call(thief, "web") in (None, 503)
    processes.wait_until(lambda: checks(mesh)["certificates used once"]["ok"], "one use is left")


def test_an_unknown_account_is_an_error(mesh):
    with pytest.raises(Refused, match="nothing to evict"):
        mesh.tullectl("evict", "nobody")
