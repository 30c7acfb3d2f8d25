"""Policies of our own kinds as objects of a real API server: when they are in force, and what their status says."""
import json

import pytest

from on_host import Mesh, define_policies
from processes import wait_until


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh(control):
    """No sidecar is served before the definitions are there."""
    made = Mesh(control, has_definitions=False)
    wait_until(lambda: "the cluster does not serve resiliencepolicies" in made.control.log(), "nothing is said about the definitions")
    assert made.http("127.0.0.1:15014/readyz") != "ok\n"
    define_policies(control)
    made.await_ready()
    return made


def put(mesh, kind, name, spec, namespace="shop"):
    mesh.cluster.apply({"apiVersion": "tulle.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})


def accepted(mesh, kind, name, namespace="shop"):
    """(status, reason, message) of the version that was written last."""
    found = mesh.cluster.get("-n", namespace, kind, name)
    for condition in found.get("status", {}).get("conditions", []):
        if condition["type"] == "Accepted" and condition["observedGeneration"] == found["metadata"]["generation"]:
            return condition["status"], condition["reason"], condition["message"]
    return None


def wait_for(mesh, kind, name, status, reason, namespace="shop"):
    wait_until(lambda: (accepted(mesh, kind, name, namespace) or ())[:2] == (status, reason), "%s %s is not %s" % (kind, name, reason))


def in_force(mesh, kind):
    return {line.split()[0] for line in mesh.tullectl("get", kind, "-A", "-o", "name").splitlines()}


def peer(service, mode):
    return {"targetRef": {"kind": "Service", "name": service}, "mode": mode}


def test_a_policy_is_in_force_and_says_so(mesh):
    put(mesh, "PeerAuthentication", "web", peer("web", "STRICT"))
    wait_for(mesh, "peerauthentication", "web", "True", "Accepted")
    assert "web" in mesh.tullectl("get", "pa", "-n", "shop")
    mesh.cluster.kubectl("-n", "shop", "delete", "peerauthentication", "web")
    wait_until(lambda: "web" not in mesh.tullectl("get", "pa", "-n", "shop"), "the policy is still in force")


def test_the_oldest_of_two_that_define_the_same_is_in_force(mesh):
    put(mesh, "ResiliencePolicy", "a", {"targetRef": {"kind": "Service", "name": "web"}, "timeouts": {"request": "1s"}})
    wait_for(mesh, "resiliencepolicy", "a", "True", "Accepted")
    put(mesh, "ResiliencePolicy", "b", {"targetRef": {"kind": "Service", "name": "web"}, "timeouts": {"request": "2s"}})
    wait_for(mesh, "resiliencepolicy", "b", "False", "Conflicted")
    assert "ResiliencePolicy shop/a, which is older" in accepted(mesh, "resiliencepolicy", "b")[2]
    mesh.cluster.kubectl("-n", "shop", "delete", "resiliencepolicy", "a")
    wait_for(mesh, "resiliencepolicy", "b", "True", "Accepted")


def test_what_only_the_parser_can_refuse_is_not_accepted(mesh):
    """The schema knows nothing of formats of names."""
    rules = [{"from": {"principals": ["not an identity"]}}]
    put(mesh, "AuthorizationPolicy", "odd", {"targetRef": {"kind": "Service", "name": "web"}, "action": "DENY", "rules": rules})
    wait_for(mesh, "authorizationpolicy", "odd", "False", "Invalid")
    assert "spec.rules[0].from.principals" in accepted(mesh, "authorizationpolicy", "odd")[2]
    assert "all requests to Service shop/web are denied until it is valid" in accepted(mesh, "authorizationpolicy", "odd")[2]
    assert "policy not accepted: AuthorizationPolicy shop/odd: spec.rules[0].from.principals" in mesh.control.log()
    assert "AuthorizationPolicy shop/odd: Invalid: spec.rules[0].from.principals" in mesh.tullectl("check")
    assert "\ntulle_control_policies_refused " in mesh.http("127.0.0.1:15014/metrics")
    mesh.cluster.kubectl("-n", "shop", "delete", "authorizationpolicy", "odd")


def test_a_namespace_has_no_say_in_others(mesh):
    everywhere = {"targetRef": {"kind": "Mesh"}, "mode": "PERMISSIVE"}
    put(mesh, "PeerAuthentication", "all", everywhere)
    wait_for(mesh, "peerauthentication", "all", "False", "Invalid")
    put(mesh, "PeerAuthentication", "all", everywhere, "tulle-system")
    wait_for(mesh, "peerauthentication", "all", "True", "Accepted", "tulle-system")


def test_policies_of_a_cluster_are_changed_by_kubectl(mesh):
    text = mesh.cluster.path("policy.json")
    with open(text, "w", encoding="utf-8") as file:
        json.dump({"apiVersion": "tulle.dev/v1alpha1", "kind": "PeerAuthentication", "metadata": {"name": "stored", "namespace": "shop"},
                   "spec": peer("web", "STRICT")}, file)
    assert "use `kubectl apply -f FILE`" in mesh.errors("apply", "-f", text)


def test_a_restart_of_the_api_server_loses_none(mesh):
    put(mesh, "EgressPolicy", "web", {"targetRef": {"kind": "Service", "name": "web"}, "unknownDestinations": "DENY"})
    wait_for(mesh, "egresspolicy", "web", "True", "Accepted")
    mesh.cluster.restart_api_server()
    put(mesh, "EgressPolicy", "late", {"targetRef": {"kind": "Namespace"}, "unknownDestinations": "ALLOW"})
    wait_for(mesh, "egresspolicy", "late", "True", "Accepted")
    assert {"web", "late"} <= {name.rsplit("/", 1)[-1] for name in in_force(mesh, "egresspolicies")}
