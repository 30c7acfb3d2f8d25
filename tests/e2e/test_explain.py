"""Why did this request fail? `tullectl explain`, `errors`, `tap` and the API behind them, with the real programs and one kind of failure after the other."""
import json
import subprocess
import time
import uuid

import processes
import pytest
import raw
from control import binary
from mesh import Mesh, Refused
from origin import reply

RESILIENCE = """\
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: web}
spec:
  targetRef: {kind: Service, name: web}
  %s
"""
ONLY_OTHER = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: not-caller}
spec:
  targetRef: {kind: Service, name: web}
  action: DENY
  rules: [{from: {principals: [ns/default/sa/caller]}}]
"""
ONLY_ITEMS = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: only-items}
spec:
  targetRef: {kind: Service, name: web}
  action: ALLOW
  rules:
  - from: {principals: [ns/default/sa/stranger]}
  - from: {principals: [ns/default/sa/caller]}
    to: {methods: [GET], paths: [/items]}
"""
ONE_PATH = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{kind: Service, name: web}]
  rules:
  - matches: [{path: {type: PathPrefix, value: /only}}]
    backendRefs: [{name: web, port: 80}]
"""
NO_RETRIES = "retries: {attempts: 0}"


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    mesh = Mesh(tmp_path)
    mesh.web, mesh.caller = mesh.add("web"), mesh.add("caller")
    processes.wait_until(lambda: raw.get(mesh.caller.outbound, "/", host="web").status == 200, "the mesh answers")
    yield mesh
    mesh.close()


def ask(mesh, path="/items", host="web"):
    """(ID of a new request, its status)"""
    request = str(uuid.uuid4())
    return request, raw.get(mesh.caller.outbound, path, host=host, headers=[("x-request-id", request)]).status


def until(mesh, status, **how):
    """The ID of the first request that ends with that status."""
    def asked():
        request, got = ask(mesh, **how)
        return request if got == status else None
    return processes.wait_until(asked, "status %d" % status, 30)


def explained(mesh, request):
    return json.loads(mesh.tullectl("explain", request, "-o", "json"))


def verdict_on(mesh, request, cause):
    """What ended it, which must be of this cause; and the same in words."""
    found = explained(mesh, request)
    assert found["answered"] == found["asked"], found
    verdict = found["verdict"]
    assert verdict["cause"] == cause, found
    text = mesh.tullectl("explain", request)
    assert verdict["meaning"].split(",")[0] in " ".join(text.split()), text
    assert "Next step" in text, text
    return verdict, found["hops"], text


def assert_owned(mesh, verdict, field):
    """The ResiliencePolicy is named, with its field, and the command shows it."""
    assert (verdict["policy"], verdict["field"]) == ("ResiliencePolicy default/web", "ResiliencePolicy " + field), verdict
    assert "kind: ResiliencePolicy" in mesh.tullectl(*verdict["command"].split()[1:])


def test_a_denied_request_names_both_hops_and_the_policy(mesh):
    mesh.apply(ONLY_OTHER)
    verdict, hops, text = verdict_on(mesh, until(mesh, 403, path="/secret?token=hidden"), "denied")
    assert [hop["outbound"] for hop in hops] == [True, False], hops
    assert [hop["proxy"] for hop in hops] == [mesh.caller.instance, mesh.web.instance], hops
    assert hops[1]["source"].endswith("/sa/caller") and hops[1]["destination"].endswith("/sa/web"), hops
    assert verdict["policy"].startswith("AuthorizationPolicy default/not-caller"), verdict
    assert "kind: AuthorizationPolicy" in mesh.tullectl(*verdict["command"].split()[1:])
    assert "1. caller.default calls web.default" in text and "2. web.default is called by caller.default" in text, text
    assert "hidden" not in text and "hidden" not in json.dumps(hops), "queries are not recorded"
    # It shows among the errors, with an example that can be explained.
    row = processes.wait_until(lambda: next((line.split() for line in mesh.tullectl("errors").splitlines() if " denied " in line), None), "the failure is reported", 30)
    assert row[1:5] == ["403", "denied", "caller.default", "web.default"], row
    assert explained(mesh, row[-1])["verdict"]["cause"] == "denied"


def test_what_no_policy_allows_says_which_condition_does_not_match(mesh):
    mesh.apply(ONLY_ITEMS)
    verdict, _, _ = verdict_on(mesh, until(mesh, 403, path="/secret"), "denied")
    assert "path does not match" in verdict["meaning"] and verdict["policy"].startswith("AuthorizationPolicy default/only-items, rule 1"), verdict
    assert verdict["field"].endswith("rules[].to") and "no rule of its ALLOW policies names" not in verdict["meaning"], verdict
    request, status = ask(mesh)
    assert status == 200
    assert "allowed by" in mesh.tullectl("explain", request) and "only-items, rule 1" in mesh.tullectl("explain", request)


def test_a_request_that_succeeded_has_no_verdict(mesh):
    request, status = ask(mesh)
    assert status == 200
    found = explained(mesh, request)
    assert "verdict" not in found and len(found["hops"]) == 2, found
    assert "no sidecar recorded a failure" in mesh.tullectl("explain", request)


def test_a_host_that_the_mesh_does_not_know(mesh):
    verdict, hops, _ = verdict_on(mesh, until(mesh, 404, host="nowhere"), "unknown_host")
    assert len(hops) == 1 and 'the mesh knows no host "nowhere"' in verdict["meaning"], verdict


def test_a_request_without_a_route(mesh):
    mesh.apply(ONE_PATH)
    verdict, hops, _ = verdict_on(mesh, until(mesh, 404, path="/other"), "no_route")
    assert len(hops) == 1 and "HTTPRoute" in verdict["field"], verdict
    assert any(each["kind"] == "route" and not each["positive"] for each in hops[0]["decisions"]), "the routes that did not match"


def test_connection_refused_by_the_application(mesh):
    mesh.apply(RESILIENCE % NO_RETRIES)
    mesh.web.origin.close()
    verdict, hops, _ = verdict_on(mesh, until(mesh, 503), "connect_failed")
    assert not hops[verdict["hop"]]["outbound"] and "application" in verdict["nextStep"], verdict


def test_connection_refused_by_the_endpoint(mesh):
    mesh.apply(RESILIENCE % (NO_RETRIES + "\n  breaker: {consecutiveFailures: 0}"))
    mesh.web.sidecar.stop(9)
    verdict, hops, _ = verdict_on(mesh, until(mesh, 503), "connect_failed")
    assert hops[verdict["hop"]]["outbound"] and hops[0]["endpoint"] == "127.0.0.1:%d" % mesh.web.inbound, hops


def test_no_healthy_endpoint(mesh):
    mesh.apply(RESILIENCE % "healthCheck: {path: /health, interval: 100ms, unhealthyAfter: 1}")
    mesh.web.origin.answer = lambda request, sock: reply(b"", "500 Internal Server Error" if request.path == "/health" else "200 OK")
    verdict, _, _ = verdict_on(mesh, until(mesh, 503), "no_healthy_endpoint")
    assert "tullectl services" in verdict["nextStep"], verdict
    assert_owned(mesh, verdict, "spec.healthCheck")


def test_a_rate_limit(mesh):
    mesh.apply(RESILIENCE % "rateLimit: {requests: 1, per: 1h}")
    verdict, hops, _ = verdict_on(mesh, until(mesh, 429), "rate_limited")
    assert not hops[verdict["hop"]]["outbound"], verdict
    assert_owned(mesh, verdict, "spec.rateLimit")


def test_an_injected_fault(mesh):
    mesh.apply(RESILIENCE % "fault: {abort: {status: 418}}")
    verdict, _, _ = verdict_on(mesh, until(mesh, 418), "fault_injected")
    assert_owned(mesh, verdict, "spec.fault")


def test_a_timeout_is_the_cause_and_what_it_led_to_is_not(mesh):
    mesh.apply(RESILIENCE % "timeouts: {request: 300ms}")

    def slow(_request, _sock):
        time.sleep(1)
        return reply(b"")
    mesh.web.origin.answer = slow
    verdict, hops, _ = verdict_on(mesh, until(mesh, 504), "request_timeout")
    assert verdict["hop"] == 0 and hops[0]["ended"] >= 300_000, hops
    assert_owned(mesh, verdict, "spec.timeouts.request")


def test_retries_that_are_exhausted(mesh):
    mesh.apply(RESILIENCE % "retries: {attempts: 2, on: [5xx]}\n  breaker: {consecutiveFailures: 0}")
    mesh.web.origin.answer = lambda request, sock: reply(b"", "500 Internal Server Error")
    request = until(mesh, 500)

    def exhausted():
        found = explained(mesh, until(mesh, 500))
        return found if found["hops"][0].get("retriesExhausted") else None
    found = processes.wait_until(exhausted, "retries", 30)
    assert found["hops"][0]["attempts"] == 3 and len(found["hops"]) == 4, found
    assert "answered 500 itself" in found["verdict"]["meaning"], found
    assert "3, all that ResiliencePolicy default/web allows" in " ".join(mesh.tullectl("explain", found["requestId"]).split())
    assert "answered 500 itself" in " ".join(mesh.tullectl("explain", request).split())


def test_an_open_circuit_breaker(mesh):
    mesh.apply(RESILIENCE % (NO_RETRIES + "\n  breaker: {consecutiveFailures: 2, on: all5xx, openFor: 30s}"))
    mesh.web.origin.answer = lambda request, sock: reply(b"", "500 Internal Server Error")
    verdict, _, _ = verdict_on(mesh, until(mesh, 503), "breaker_open")
    assert "tullectl errors" in verdict["nextStep"], verdict
    assert_owned(mesh, verdict, "spec.breaker")


def test_a_failure_of_a_sidecar_that_is_gone_is_still_known(mesh):
    mesh.apply(ONLY_OTHER)
    request = until(mesh, 403)
    processes.wait_until(lambda: "denied" in mesh.tullectl("errors"), "the failure is reported", 30)
    mesh.web.sidecar.stop(9)
    mesh.caller.sidecar.stop(9)
    processes.wait_until(lambda: explained(mesh, request)["asked"] == 0, "both are gone", 30)
    found = explained(mesh, request)
    assert found["verdict"]["cause"] == "denied", found


def test_what_nobody_knows_is_said(mesh):
    with pytest.raises(Refused) as refused:
        mesh.tullectl("explain", str(uuid.uuid4()))
    assert "no sidecar knows a request" in str(refused.value) and "hint:" in str(refused.value)


def test_tap_shows_requests_as_they_end(mesh):
    argv = mesh._tullectl_argv(binary("control-plane/cli/tullectl"), "tap", "web", "--path", "/tapped",  # pylint: disable=protected-access
                               "--requests", "2", "-o", "json")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as tap:
        try:
            processes.wait_until(lambda: " taps " in mesh.control.log(), "the tap is open")
            until_seen = [ask(mesh, "/other")[1], *(ask(mesh, "/tapped/%d" % i)[1] for i in range(5))]
            assert until_seen == [200] * 6
            out, err = tap.communicate(timeout=30)
        finally:
            tap.kill()
    records = [json.loads(line) for line in out.splitlines()]
    assert len(records) == 2 and all(record["path"].startswith("/tapped/") for record in records), (out, err)
    assert "admin taps" in mesh.control.log(), "who taps what is in the log"
    processes.wait_until(lambda: "admin has ended tap" in mesh.control.log(), "the tap is ended")


def test_the_level_of_a_log_and_the_live_configuration(mesh):
    assert "warning" in mesh.tullectl("logs", mesh.web.instance) or "info" in mesh.tullectl("logs", mesh.web.instance)
    assert "has the level debug for 10m" in mesh.tullectl("logs", mesh.web.instance, "--level", "debug", "--for", "10m")
    assert json.loads(mesh.tullectl("logs", mesh.web.instance, "-o", "json"))["level"] == "debug"
    live = mesh.tullectl("proxy-config", mesh.caller.instance, "clusters", "--live", "-o", "json")
    assert "web" in live, live
    table = mesh.tullectl("proxy-config", mesh.caller.instance, "--live")
    assert "as sent" in table and "its own" in table and "DIFFERS" not in table and "NOT " not in table, table
    assert mesh.tullectl("proxy-config", mesh.caller.instance, "--diff") == "", "the sidecar has what it was sent"
