"""AuthorizationPolicies, from the command line to the requests."""
import pytest

import processes
import raw
from mesh import Mesh

POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: %s}
spec:
  targetRef: %s
  action: %s
  rules: %s
---
"""
SERVICE = "{kind: Service, name: post}"
NAMESPACE = "{kind: Namespace, name: default}"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    mesh = Mesh(tmp_path_factory.mktemp("mesh"))
    try:
        yield mesh, mesh.add("post"), mesh.add("web"), mesh.add("stranger")
    finally:
        mesh.close()


def answers(callers, path="/"):
    return [raw.get(caller.outbound, path, host="post").status for caller in callers]


def from_web(path=None):
    return "[{from: {principals: [ns/default/sa/web]}%s}]" % (", to: {paths: [%s]}" % path if path else "")


@pytest.mark.parametrize("allow_at,deny_at", [(SERVICE, SERVICE), (SERVICE, NAMESPACE), (NAMESPACE, SERVICE)])
def test_a_deny_beside_an_allow(world, allow_at, deny_at):
    """ALLOW lets web in and nobody else; DENY keeps it from one path."""
    mesh, post, web, stranger = world
    mesh.tullectl("apply", "-f", "-", text=POLICY % ("allowed", allow_at, "ALLOW", from_web()) + POLICY % ("denied", deny_at, "DENY", from_web("/secret")))
    try:
        processes.wait_until(lambda: answers([web, stranger]) == [200, 403], "the policies are in force")
        assert answers([web, stranger], "/secret") == [403, 403]
        mesh.wait_in_step(post)
    finally:
        mesh.tullectl("delete", "authorizationpolicy", "allowed", "denied")
    processes.wait_until(lambda: answers([web, stranger], "/secret") == [200, 200], "they are gone")


def test_a_deny_alone_leaves_the_others(world):
    mesh, _, web, stranger = world
    mesh.tullectl("apply", "-f", "-", text=POLICY % ("denied", SERVICE, "DENY", from_web()))
    try:
        processes.wait_until(lambda: answers([web, stranger]) == [403, 200], "the policy is in force")
    finally:
        mesh.tullectl("delete", "authorizationpolicy", "denied")
    processes.wait_until(lambda: answers([web, stranger]) == [200, 200], "it is gone")
