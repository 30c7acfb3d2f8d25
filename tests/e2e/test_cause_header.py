"""`tulle-sidecar --cause-header`: the cause of an error as a header, from the sidecar that answers it."""
import signal

import processes
import pytest
import raw
from mesh import Mesh

DENY = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: not-caller}
spec:
  targetRef: {kind: Service, name: web}
  action: DENY
  rules: [{from: {principals: [ns/default/sa/caller, ns/default/sa/quiet]}}]
"""


def started(mesh, name, *arguments):
    workload = mesh.new_workload(name)
    mesh.make_token(name)
    mesh.start_sidecar(workload, *arguments)
    workload.instance = mesh.wait_in_step(workload)
    processes.wait_until(lambda: processes.listening(workload.outbound), name + " listens")
    return workload


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    mesh.web = started(mesh, "web", "--cause-header")
    mesh.caller = started(mesh, "caller", "--cause-header")
    mesh.quiet = started(mesh, "quiet")
    for each in (mesh.caller, mesh.quiet):
        processes.wait_until(lambda each=each: raw.get(each.outbound, "/", host="web").status == 200, "the mesh answers")
    yield mesh
    mesh.close()


def cause(workload, host, status):
    """The header of an answer with that status."""
    answer = processes.wait_until(lambda: next((a for a in [raw.get(workload.outbound, "/", host=host)] if a.status == status), None), "status %d" % status, 30)
    return (answer.header("x-tulle-cause") or [None])[0]


def test_only_the_sidecar_that_was_told_to_adds_it(mesh):
    assert cause(mesh.caller, "web", 200) is None
    mesh.apply(DENY)
    # The sidecar of the service says it, and it passes that of the caller.
    assert cause(mesh.caller, "web", 403) == "denied"
    assert cause(mesh.quiet, "web", 403) == "denied"
    # Its application is gone.
    mesh.web.origin.close()
    mesh.tullectl("delete", "authorizationpolicy", "not-caller")
    assert cause(mesh.caller, "web", 503) == "connect_failed"
    # It crashes, so that nobody but the callers can say what is wrong.
    mesh.web.sidecar.stop(signal.SIGKILL)
    assert cause(mesh.caller, "web", 503) is not None
    assert cause(mesh.quiet, "web", 503) is None
