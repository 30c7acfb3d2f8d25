"""Our kinds as custom resources: the API server's own checks (OpenAPI, CEL) and the parser of `tullectl validate` agree."""
import json
import subprocess

import pytest

from meshed import tullectl
from processes import binary

SERVICE = {"kind": "Service", "name": "web"}


def rp(**spec):
    return "ResiliencePolicy", {"targetRef": SERVICE, **spec}


def ap(**spec):
    return "AuthorizationPolicy", {"targetRef": SERVICE, **spec}


def es(**spec):
    return "ExternalService", {"hosts": ["api.example.com"], "ports": [{"number": 443, "protocol": "tcp"}], **spec}


GOOD = [
    rp(),
    rp(timeouts={"connect": "1s", "request": "0s", "perTry": "5s"}),
    rp(timeouts={"request": "1m30s", "perTry": "250ms"}),
    rp(retries={"attempts": 2, "backoff": {"base": "10ms", "max": "10ms"}}),
    rp(retries={"backoff": {"max": "25ms"}}),
    rp(breaker={"consecutiveFailures": 3, "maxOpenFor": "1s"}),
    rp(loadBalancing="consistentHash", hashOn={"header": "x-user", "sourceIp": False}),
    rp(loadBalancing="consistentHash", hashOn={"cookie": {"name": "c", "ttl": "1h"}}),
    rp(loadBalancing="leastRequest", slowStart={"window": "10s"}),
    rp(healthCheck={"path": "/healthz"}),
    rp(healthCheck={"protocol": "tcp"}),
    rp(healthCheck={"protocol": "grpc", "service": "shop.Web"}),
    rp(localities={"preferOwn": True}),
    rp(localities={"weights": [{"locality": "eu", "weight": 3}]}),
    rp(rateLimit={"requests": 10, "per": "1s", "key": "header x-user"}),
    rp(fault={"abort": {"status": 503}, "headers": [{"name": "x-fault", "value": "yes"}]}),
    rp(fault={"delay": {"fixed": "1s", "percent": 10}}),
    ap(action="ALLOW"),
    ap(action="DENY", rules=[{}]),
    ap(action="ALLOW", rules=[{"from": {"principals": ["ns/shop/sa/*"]}, "to": {"methods": ["GET"], "ports": [80]}}]),
    ("AuthorizationPolicy", {"targetRef": {"kind": "Namespace"}, "action": "ALLOW"}),
    ("PeerAuthentication", {"targetRef": {"kind": "Mesh"}, "mode": "STRICT"}),
    ("EgressPolicy", {"targetRef": SERVICE, "unknownDestinations": "DENY"}),
    ("TelemetryPolicy", {"targetRef": {"kind": "Mesh"}, "tracing": {"sampling": 0.5}}),
    ("TelemetryPolicy", {"targetRef": {"kind": "Mesh"}, "accessLog": {"format": "json", "collector": "a.example:4318/x", "protocol": "otlp-http"}}),
    es(),
    es(endpoints=["192.0.2.1"]),
    es(resolution="LOGICAL_DNS"),
    es(resolution="STATIC", endpoints=["2001:db8::1"]),
]

BAD = [
    ("ResiliencePolicy", {}),
    rp(timeouts={"request": "1s", "perTry": "2s"}),
    rp(timeouts={"request": "1 s"}),
    rp(timeouts={"request": 5}),
    rp(timeout={"request": "5s"}),
    rp(retries={"attempts": 11}),
    rp(retries={"backoff": {"base": "1s", "max": "10ms"}}),
    rp(retries={"backoff": {"max": "24ms"}}),
    rp(breaker={"openFor": "5s", "maxOpenFor": "1s"}),
    rp(breaker={"on": "everything"}),
    rp(loadBalancing="consistentHash"),
    rp(loadBalancing="consistentHash", hashOn={}),
    rp(loadBalancing="consistentHash", hashOn={"header": "a", "sourceIp": True}),
    rp(hashOn={"header": "x-user"}),
    rp(loadBalancing="random", slowStart={"window": "0s"}),
    rp(loadBalancing="peakEwma", localities={"weights": [{"locality": "eu"}]}),
    rp(localities={"preferOwn": True, "priorities": ["eu"]}),
    rp(localities={}),
    rp(healthCheck={}),
    rp(healthCheck={"protocol": "tcp", "path": "/"}),
    rp(healthCheck={"path": "/", "service": "a"}),
    rp(rateLimit={"per": "1s"}),
    rp(fault={}),
    rp(fault={"abort": {}}),
    rp(fault={"abort": {"status": 503, "grpcStatus": 14}}),
    ap(),
    ap(action="DENY"),
    ap(action="AUDIT"),
    ap(action="ALLOW", rules=[{"from": {}}]),
    ap(action="ALLOW", rules=[{"to": {}}]),
    ap(action="ALLOW", rules=[{"to": {"ports": [70000]}}]),
    ("AuthorizationPolicy", {"targetRef": {"kind": "Mesh"}, "action": "ALLOW"}),
    ("PeerAuthentication", {"targetRef": {"kind": "Mesh", "name": "x"}, "mode": "STRICT"}),
    ("PeerAuthentication", {"targetRef": {"kind": "Service"}, "mode": "STRICT"}),
    ("EgressPolicy", {"targetRef": SERVICE}),
    ("TelemetryPolicy", {"targetRef": {"kind": "Mesh"}, "tracing": {"sampling": 101}}),
    ("TelemetryPolicy", {"targetRef": {"kind": "Mesh"}, "accessLog": {"format": "off", "collector": "a.example:4317"}}),
    ("TelemetryPolicy", {"targetRef": {"kind": "Mesh"}, "accessLog": {"format": "json", "protocol": "otlp"}}),
    ("TelemetryPolicy", {"targetRef": {"kind": "Mesh"}, "accessLog": {"format": "json", "collector": "a.example:4317/x"}}),
    es(resolution="STATIC"),
    es(resolution="DNS", endpoints=["192.0.2.1"]),
    es(hosts=[]),
    ("PeerAuthentication", {"targetRef": {"kind": "Service", "name": ""}, "mode": "STRICT"}),
    ("PeerAuthentication", {"targetRef": SERVICE, "mode": ""}),
]


@pytest.fixture(scope="module", name="api")
def fixture_api(control):
    objects = tullectl("install")
    control.kubectl("apply", "--server-side", "-f", "-", stdin=objects)
    control.kubectl("apply", "--server-side", "-f", "-", stdin=objects)  # Again: an upgrade.
    control.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "-l", "app.kubernetes.io/part-of=tulle")
    return control


def _document(policy):
    kind, spec = policy
    return json.dumps({"apiVersion": "tulle.dev/v1alpha1", "kind": kind, "metadata": {"name": "x", "namespace": "default"}, "spec": spec})


def _by_parser(document):
    done = subprocess.run([binary("control-plane/cli/tullectl"), "validate", "-f", "-"], input=document, capture_output=True, text=True,
                          check=False)
    return done.returncode == 0, done.stdout + done.stderr


def _by_api_server(api, document):
    done = api.try_kubectl("create", "--dry-run=server", "-f", "-", stdin=document)
    return done.returncode == 0, done.stdout + done.stderr


def test_both_accept_what_is_valid(api):
    wrong = []
    for policy in GOOD:
        for judge in (_by_parser(_document(policy)), _by_api_server(api, _document(policy))):
            if not judge[0]:
                wrong.append((policy, judge[1]))
    assert not wrong


def test_both_refuse_what_is_invalid(api):
    wrong = []
    for policy in BAD:
        for name, judge in (("parser", _by_parser(_document(policy))), ("API server", _by_api_server(api, _document(policy)))):
            if judge[0]:
                wrong.append((name, policy))
    assert not wrong


def test_short_names_and_columns(api):
    api.kubectl("create", "-f", "-", stdin=_document(ap(action="ALLOW")))
    table = api.kubectl("get", "ap")
    assert table.split("\n")[0].split() == ["NAME", "TARGET", "KIND", "TARGET", "NAME", "ACCEPTED", "REASON", "AGE"]
    assert table.split("\n")[1].split()[:3] == ["x", "Service", "web"]
    assert "authorizationpolicy.tulle.dev/x" in api.kubectl("get", "tulle", "-o", "name")
    api.kubectl("explain", "resiliencepolicy.spec.breaker")
    api.kubectl("delete", "ap", "x")


def test_uninstall_leaves_nothing(api):
    api.kubectl("delete", "--wait=false", "-f", "-", stdin=tullectl("uninstall"))
    kinds = "crd,clusterrole,clusterrolebinding,mutatingwebhookconfiguration,validatingwebhookconfiguration"
    for name in api.kubectl("get", kinds, "-l", "app.kubernetes.io/part-of=tulle", "-o", "name").split():
        api.wait_for("delete", name)
