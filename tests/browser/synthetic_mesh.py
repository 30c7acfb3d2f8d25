"""A mesh as the API of the control plane describes it, of any size."""
import random
import time

NAMESPACES = ("shop", "data", "edge", "pay")
BUCKETS = 19
REQUEST = "ab65a92b-34ae-4695-802e-eac9ea571000"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def identity(namespace, name):
    return "spiffe://cluster.local/ns/%s/sa/%s" % (namespace, name)


def service(namespace, name):
    endpoints = [{"address": "10.0.0.%d" % at, "port": 8080, "workload": "%s-%d" % (name, at), "health": "healthy", "meshed": True,
                  "spiffeId": identity(namespace, name)} for at in (1, 2)]
    return {"name": name, "namespace": namespace, "host": "%s.%s.svc.cluster.local" % (name, namespace), "identities": [identity(namespace, name)],
            "ports": [{"number": 80, "protocol": "http", "endpoints": endpoints}]}


def link(caller, called, requests, failures):
    buckets = [0] * BUCKETS
    buckets[4] = requests
    return {"source": {"namespace": caller[0], "name": caller[1], "spiffeId": identity(*caller)},
            "service": {"namespace": called[0], "name": called[1], "host": "%s.%s.svc.cluster.local" % (called[1], called[0])},
            "protocol": "http", "reportedBy": "source", "destinations": [], "mutualTls": requests, "requests": requests, "failures": failures,
            "buckets": buckets, "outcomes": [{"code": 500, "flags": "", "count": failures, "failure": True}] if failures else []}


def proxy(namespace, name):
    version = "a5b470d433e2ab01"
    now = int(time.time())
    return {"name": name + "-302aba9130", "spiffeId": identity(namespace, name), "address": "10.0.0.7", "connected": True, "connectedSince": now - 70,
            "certificateNotAfter": now + 3600, "sentVersion": version, "acknowledgedVersion": version, "synced": True, "program": "0.2.0",
            "types": [{"type": "listeners", "sentVersion": version, "acknowledgedVersion": version}]}


def answers(size):
    """{path: answer} of a mesh of so many services. Each calls two to four of those after it; the last one fails."""
    chance = random.Random(7)
    names = [(NAMESPACES[at % len(NAMESPACES)], "service-%04d" % at) for at in range(size)]
    links = [link(name, names[min(at + chance.randint(1, 60), size - 1)], chance.randint(10, 5000), 0)
             for at, name in enumerate(names[:-1]) for _ in range(chance.randint(2, 4))]
    links.append(link(names[0], names[-1], 100, 40))

    def history(query):
        step = int(query["step"])
        steps = int(query["window"]) // step
        start = (int(time.time()) // step - steps) * step
        line = dict(links[-1], steps=[{"at": start + at * step, "requests": 100, "failures": at % 7, "buckets": [0, 0, 90, 10]} for at in range(steps)])
        return {"step": step, "from": start, "steps": steps, "knownFrom": start, "leftOut": 0, "links": [line]}

    # Half of what the first service is asked for goes to the second.
    def routes(query):
        host = query.get("service")
        found = [dict(each, service=each["service"], backend=service, route="%s/split[0][0]" % names[0][0])
                 for each in links if each["service"]["host"] == host for service in (each["service"], links[0]["service"])]
        return {"seconds": 60, "links": found}

    return {"/v1/services": {"items": [service(*name) for name in names]}, "/v1/proxies": {"items": [proxy(*name) for name in names]},
            "/v1/traffic": {"seconds": 60, "links": links}, "/v1/traffic/history": history, "/v1/traffic/routes": routes,
            **policies(names[0]), **failures(names), **traces()}


def policies(target):
    policy = {"apiVersion": "tulle.dev/v1alpha1", "kind": "ResiliencePolicy", "metadata": {"name": "patient", "namespace": target[0],
              "creationTimestamp": "2026-11-20T10:00:00Z"},
              "spec": {"targetRef": {"kind": "Service", "name": target[1]}, "timeout": "2s"}, "status": {"origin": "tullectl"}}
    change = {"action": "created", "kind": policy["kind"], "namespace": target[0], "name": "patient"}
    path = "/v1/policies/ResiliencePolicy/%s/patient" % target[0]
    return {"/v1/policies": {"items": [policy]}, "/v1/history": {"items": [{"at": 1795000000, "author": "ann", "revision": 7, "changes": [change]}]},
            path: policy, path + "/history": {"items": [{"at": 1795000000, "author": "ann", "revision": 7, "policy": policy}]}}


def failures(names):
    """One cause, with an example that is explained."""
    record = {"requestId": REQUEST, "traceId": TRACE, "outbound": True, "startedMicros": 1795000000000000, "status": 503, "failed": True, "cause": "overflow",
              "method": "GET",
              "authority": names[-1][1], "path": "/items", "source": identity(*names[0]), "service": names[-1][1], "cluster": "outbound", "proxy": "web-1",
              "ended": 5400, "decisions": [{"kind": "limit", "subject": "requests", "positive": False, "reason": "1024 of 1024"}]}
    group = {"cause": "overflow", "status": 503, "service": names[-1][1], "source": identity(*names[0]), "count": 3, "lastUnixMicros": 1795000000000000,
             "example": record}
    hop = dict(record, depth=0, title="web calls cart", outcome="503 overflow", lines=[{"name": "sidecar", "text": "web-1"}], considered=["limit requests"])
    explanation = {"title": "GET cart/items: 503", "requestId": REQUEST, "traceId": TRACE, "startedMicros": 1795000000000000, "time": "5.4ms", "hops": [hop],
                   "missing": ["one"],
                   "result": "hop 1: the sidecar of web answered 503, because a limit was reached", "asked": 2, "answered": 1,
                   "verdict": {"hop": 0, "cause": "overflow", "meaning": "a limit", "nextStep": "raise it", "field": "spec.pools",
                               "policy": "ResiliencePolicy shop/patient",
                               "command": "tullectl get resiliencepolicy patient"}}
    return {"/v1/failures": {"seconds": 600, "leftOut": 1, "groups": [group]}, "/v1/requests": {"requests": [record], "asked": 2, "answered": 1, "leftOut": 0},
            "/v1/requests/%s/explanation" % REQUEST: explanation, "/v1/taps/1": {"requests": [record], "leftOut": 0, "sidecars": 1}}


def traces():
    first = {"startUnixNano": "1795000000000000000", "isRoot": True, "name": "GET", "method": "GET", "path": "/items", "status": "503", "error": True}
    listed = {"traceId": TRACE, "startUnixNano": "1795000000000000000", "endUnixNano": "1795000000005000000", "first": first, "error": True, "services": ["web", "cart"],
              "spans": 1, "sidecarMicros": 70}
    span = {"spanId": "a", "parentSpanId": "", "name": "GET", "kind": "server", "service": "web", "reporter": "web",
            "startUnixNano": "1795000000000000000", "durationMicros": 5000,
            "error": True, "attributes": {"http.request.method": "GET", "url.path": "/items", "user_agent.original": "curl"},
            "events": [{"atUnixNano": "1795000000001000000", "name": "retry", "attributes": {"retry.reason": "503"}}]}
    return {"/v1/traces": {"traces": [listed], "matching": 1, "known": 1}, "/v1/traces/" + TRACE: {"traceId": TRACE, "spans": [span]}}
