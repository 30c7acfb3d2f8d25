"""What would happen to this request? `tullectl explain METHOD URL`, `authz check` and `describe`, with the real programs: nothing is sent."""
import json
import subprocess

import processes
import pytest
import raw
from control import binary
from mesh import Mesh

POLICIES = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: no-admin}
spec:
  targetRef: {kind: Service, name: web}
  action: DENY
  rules: [{to: {paths: [/admin]}}]
---
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: strict}
spec:
  targetRef: {kind: Service, name: web}
  mode: STRICT
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{kind: Service, name: web}]
  rules:
  - name: nowhere
    matches: [{headers: [{name: x-nowhere, value: "1"}]}]
    backendRefs: [{name: nothing, port: 80}]
  - name: usual
    backendRefs: [{name: web, port: 80}]
"""


ONLY_STRANGERS = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: only-strangers}
spec:
  targetRef: {kind: Service, name: web}
  action: ALLOW
  rules:
  - from: {principals: [ns/other/sa/stranger]}
    to: {methods: [GET]}
"""
SLOW = """\
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: web}
spec:
  targetRef: {kind: Service, name: web}
  timeouts: {request: 700ms}
  retries: {attempts: 1}
"""


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    mesh.web, mesh.caller = mesh.add("web"), mesh.add("caller")
    processes.wait_until(lambda: raw.get(mesh.caller.outbound, "/", host="web").status == 200, "the mesh answers")
    mesh.apply(POLICIES)
    processes.wait_until(lambda: raw.get(mesh.caller.outbound, "/admin", host="web").status == 403, "the policy is in force")
    yield mesh
    mesh.close()


def tullectl(mesh, *arguments):
    """(exit code, what it prints)"""
    argv = mesh._tullectl_argv(binary("control-plane/cli/tullectl"), *arguments)  # pylint: disable=protected-access
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def check(mesh, *arguments):
    """(exit code, what it prints, on one line) of authz check"""
    code, text = tullectl(mesh, "authz", "check", *arguments)
    return code, " ".join(text.split())


def what_if(mesh, *arguments, expected=0):
    code, text = tullectl(mesh, "explain", "--from", "caller", *arguments, "-o", "json")
    assert code == expected, text
    return json.loads(text)["hops"]


def test_it_passes_both_sidecars_and_sends_nothing(mesh):
    before = len(mesh.web.origin.requests)
    hops = what_if(mesh, "GET", "http://web/items?id=1")
    assert [hop["outbound"] for hop in hops] == [True, False], hops
    assert hops[0]["service"].startswith("web.default.") and hops[0]["route"].endswith("/usual[0]"), hops
    assert any(each["kind"] == "endpoint" and each["positive"] for each in hops[0]["decisions"]), hops
    code, text = tullectl(mesh, "explain", "--from", "caller", "GET", "http://web/items")
    assert code == 0 and "would reach the application" in text, text
    assert len(mesh.web.origin.requests) == before, "nothing is sent"


def test_two_dashes_may_stand_before_the_request(mesh):
    arguments = ("GET", "http://web/admin", "-H", "x-user: ann")
    with_dashes = tullectl(mesh, "explain", "--from", "caller", "--", *arguments)
    assert with_dashes[0] == 1 and "no-admin" in with_dashes[1], with_dashes
    assert with_dashes == tullectl(mesh, "explain", "--from", "caller", *arguments)
    code, text = tullectl(mesh, "explain", "--from", "caller", "--")
    assert code == 1 and "METHOD and the URL" in text, text


def test_it_names_the_policy_that_would_deny(mesh):
    hops = what_if(mesh, "GET", "http://web/admin", expected=1)
    assert hops[1]["cause"] == "denied" and hops[1]["status"] == 403, hops
    code, text = tullectl(mesh, "explain", "--from", "caller.default", "GET", "http://web/admin")
    assert code == 1 and "AuthorizationPolicy default/no-admin" in text and "Next step" in text, text


def test_headers_choose_the_route(mesh):
    hops = what_if(mesh, "GET", "http://web/", "-H", "X-Nowhere: 1", expected=1)
    assert len(hops) == 1 and hops[0]["cause"], hops
    assert hops[0]["route"].endswith("/nowhere[0]"), hops


def test_authz_check_decides_as_the_sidecar_of_the_service(mesh):
    assert tullectl(mesh, "authz", "check", "--from", "caller", "--to", "web")[0] == 0
    code, text = tullectl(mesh, "authz", "check", "--from", "caller", "--to", "web", "--path", "/admin")
    assert code == 1 and "no-admin" in text, text
    # A caller that is nowhere in the mesh has an identity all the same.
    assert tullectl(mesh, "authz", "check", "--from", "spiffe://cluster.local/ns/other/sa/stranger", "--to", "web")[0] == 0
    # Without an identity it comes in plaintext, which STRICT refuses.
    code, text = tullectl(mesh, "authz", "check", "--to", "web")
    assert code == 1 and "plaintext" in text and "strict" in text, text


def test_authz_check_takes_callers_that_are_not_connected_and_names_the_port(mesh):
    mesh.apply(ONLY_STRANGERS)
    processes.wait_until(lambda: check(mesh, "--from", "caller", "--to", "web")[0] == 1, "the policy is in force")
    code, text = check(mesh, "--from", "caller", "--to", "web")
    assert code == 1 and "only-strangers" in text and "no rule of its ALLOW policies names caller.default" in text, text
    code, text = check(mesh, "--from", "stranger.other", "--to", "web")
    assert code == 0 and "spiffe://cluster.local/ns/other/sa/stranger" in text and "Port 80 of the service" in text, text
    assert "allowed by AuthorizationPolicy default/only-strangers, rule 0" in text, text
    code, text = check(mesh, "--from", "stranger.other", "--to", "web", "--method", "POST")
    assert code == 1 and "method does not match" in text and "rules[].to" in text, text


def test_an_unknown_host_ends_as_a_request_does(mesh):
    assert raw.get(mesh.caller.outbound, "/", host="nowhere").status == 404
    hops = what_if(mesh, "GET", "http://nowhere/", expected=1)
    assert hops[0]["status"] == 404 and hops[0]["route"] == "unknown_host", hops
    assert raw.get(mesh.caller.outbound, "/", host="web:81").status == 404
    assert what_if(mesh, "GET", "http://web:81/", expected=1)[0]["status"] == 404


def test_plaintext_is_closed_where_it_is_refused(mesh):
    code, text = check(mesh, "--to", "web")
    assert code == 1 and "would close the connection" in text and "UAEX" not in text, text


def test_timeouts_retries_and_repeated_headers(mesh):
    mesh.apply(SLOW)
    timeouts = processes.wait_until(lambda: [each for each in what_if(mesh, "GET", "http://web/")[0]["decisions"] if each["kind"] == "timeout"], "the policy is in force")
    assert timeouts[0]["reason"] == "700 ms, by ResiliencePolicy default/web spec.timeouts.request", timeouts
    decisions = what_if(mesh, "GET", "http://web/")[0]["decisions"]
    assert any(each["kind"] == "retry" and each["reason"].startswith("at most 1 ") for each in decisions), decisions
    # The second one alone would not match.
    assert what_if(mesh, "GET", "http://web/", "-H", "x-nowhere: 1", "-H", "x-nowhere: 2")[0]["route"].endswith("/usual[0]")


def test_wrong_input_says_what_is_right(mesh):
    for arguments, hint in (
        (["explain", "GET", "http://web/"], "--from"),
        (["explain", "--from", "nobody", "GET", "http://web/"], "tullectl status"),
        (["explain", "--from", "caller", "GET", "https://web/"], "http://"),
        (["explain", "--from", "caller", "GET", "http:///x"], "http://SERVICE/PATH"),
        (["explain", "--from", "caller", "G ET", "http://web/"], "method"),
        (["explain", "--from", "caller", "GET", "http://web/", "-H", "broken"], "name: value"),
        (["authz", "check", "--from", "caller", "--to", "nothing"], "tullectl services"),
    ):
        code, text = tullectl(mesh, *arguments)
        assert code == 1 and hint in text, (arguments, text)


def test_describe_shows_what_concerns_a_service(mesh):
    raw.get(mesh.caller.outbound, "/", host="web")
    code, text = tullectl(mesh, "describe", "service", "web")
    assert code == 0 and "httproute/web" in text and "authorizationpolicy/no-admin" in text, text
    assert "SYNCED" in text and "httproute/web: spec.rules[0].backendRefs[0]: Service default/nothing not found" in text, text
    code, text = tullectl(mesh, "describe", "authorizationpolicy", "no-admin")
    assert code == 0 and "web.default" in text and "DENY" in text, text
