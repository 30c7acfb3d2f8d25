"""What is refused is seen: a line of the log, a counter with the policy, a response flag."""
import socket

import pytest

import processes
import raw
from mesh import Mesh, Refused

HOST = "post.default.svc.cluster.local"
ALLOW_WEB = """\
apiVersion: tulle.dev/v1alpha1
kind: AuthorizationPolicy
metadata: {name: only-web}
spec:
  targetRef: {kind: Service, name: post}
  action: %s
  rules: [{from: {principals: [ns/default/sa/%s]}}]
"""
STRICT = """\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: all}
spec: {targetRef: {kind: Mesh}, mode: STRICT}
"""


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    yield made
    made.close()


def metrics(workload):
    from conftest import parse_metrics
    return parse_metrics(raw.get(workload.admin, "/stats/prometheus", host="localhost").body.decode())


def total(workload, name, **labels):
    return sum(value for (family, its), value in metrics(workload).items() if family == name and set(labels.items()) <= its)


@pytest.mark.parametrize("action,principal,rule", [("DENY", "web", "ns[default]-policy[only-web]-rule[0]"), ("ALLOW", "other", "none")])
def test_a_denied_request_names_policy_caller_and_target(mesh, action, principal, rule):
    post, web = mesh.add("post"), mesh.add("web")
    mesh.apply(ALLOW_WEB % (action, principal))
    processes.wait_until(lambda: raw.get(web.outbound, "/secret", host="post").status == 403, "the policy is in force")
    assert total(post, "tulle_authorization_denied_total", policy=rule, service=HOST) >= 1
    assert total(post, "istio_requests_total", reporter="destination", response_flags="UAEX", destination_service=HOST, destination_service_name="post") >= 1
    assert total(post, "http_requests_total", direction="inbound", service=HOST, status="403") >= 1
    line = processes.wait_until(lambda: next((line for line in post.sidecar.log().splitlines() if " denied " in line), None), "a line of the log")
    for part in ('"GET /secret HTTP/', " 403 UAEX rbac_access_denied_matched_policy[%s]" % rule, 'caller="spiffe://cluster.local/ns/default/sa/web"', 'target="post"'):
        assert part in line, line


def test_plaintext_refused_under_strict_is_counted_and_logged(mesh):
    post = mesh.add("post")
    assert raw.get(post.inbound, "/", host="post").status == 200
    mesh.apply(STRICT)

    def refused():
        with socket.create_connection(("127.0.0.1", post.inbound), 10) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: post\r\n\r\n")
            try:
                return sock.recv(100) == b""
            except ConnectionResetError:
                return True
    processes.wait_until(refused, "STRICT is in force")
    policy = "ns[default]-policy[all]-mode[STRICT]"
    assert total(post, "tulle_downstream_connections_refused_total", reason="plaintext") >= 1
    processes.wait_until(lambda: " 0 NR - filter_chain_not_found{plaintext_refused:%s} " % policy in post.sidecar.log(), "a line of the log")
    assert total(post, "tulle_authorization_denied_total", policy=policy, service=HOST) >= 1


def test_a_listener_that_cannot_listen_is_named_everywhere_and_tried_again(mesh):
    web = mesh.add("web")
    post = mesh.new_workload("post")
    mesh.make_token("post")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", post.inbound))
        taken.listen()
        mesh.start_sidecar(post)
        listener = "listener inbound|%d: cannot listen on " % post.inbound

        def said():
            answer = raw.get(post.admin, "/ready", host="localhost")
            return answer.status == 503 and listener in answer.body.decode()
        processes.wait_until(lambda: processes.listening(post.admin) and said(), "/ready names it")
        assert total(post, "tulle_listener_failed", listener="inbound|%d" % post.inbound) == 1
        processes.wait_until(lambda: listener in mesh.tullectl("status"), "status names it")
        assert "NOT IN FORCE" in mesh.tullectl("status")
        with pytest.raises(Refused):
            mesh.tullectl("check")
        assert listener in mesh.control.log()
    processes.wait_until(lambda: raw.get(post.admin, "/ready", host="localhost").status == 200, "it is tried again", 40)
    processes.wait_until(lambda: raw.get(web.outbound, "/", host="post").status == 200, "and serves", 40)
    assert total(post, "tulle_listener_failed") == 0
    processes.wait_until(lambda: "NOT IN FORCE" not in mesh.tullectl("status"), "status is clean")


def test_a_refused_registration_is_named_everywhere(mesh):
    mesh.add("web")
    post = mesh.new_workload("post")
    mesh.make_token("post")
    mesh.start_sidecar(post, "--service", "web")
    refused = "registration refused: "
    processes.wait_until(lambda: refused in mesh.control.log(), "the log of the control plane")
    assert mesh.control.log().count(refused) == 1, "once, not with each attempt"
    answer = raw.get(post.admin, "/ready", host="localhost")
    assert answer.status == 503 and "registration failed: " in answer.body.decode(), answer.body
    assert total(post, "tulle_registered") == 0
    processes.wait_until(lambda: refused in mesh.tullectl("status"), "status names it")
