"""What a large cluster costs the control plane: Services and endpoints written to a real API server, sidecars imitated by real
xDS streams (tests/scale/pods.cc). Prints the figures of docs/performance.md.

    bazel build //control-plane:tulle-control //control-plane/cli:tullectl //sidecar:tulle-sidecar //tests/scale:pods
    /usr/bin/python3 tests/k8s/scale.py --proxies 2000 --services 1000 --endpoints 10 --popular 10"""
import argparse
import concurrent.futures
import http.client
import json
import os
import ssl
import statistics
import subprocess
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

NS = "shop"
MOVED = "svc-0"
WRITERS = 16
PAUSE = 0.2  # Changes that follow at once are put together.
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Api:
    """The API server, as its admin. One connection; of one thread."""

    def __init__(self, server, folder):
        context = ssl.create_default_context(cafile=folder + "/ca.crt")
        context.load_cert_chain(folder + "/admin.crt", folder + "/admin.key")
        parts = urllib.parse.urlsplit(server)
        self.connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=context)

    def call(self, method, path, body, kind="application/json"):
        self.connection.request(method, path, json.dumps(body), {"Content-Type": kind})
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text[:500]
        return json.loads(text)


def write(options, paths, method="POST", kind="application/json"):
    """Writes objects (pairs of path and object) by several writers; returns what the API server made of them."""
    def writer(number):
        api = Api(options.server, options.pki)
        return [(i, api.call(method, *paths[i], kind)) for i in range(number, len(paths), WRITERS)]
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        done = [pair for some in pool.map(writer, range(WRITERS)) for pair in some]
    return [made for _, made in sorted(done, key=lambda pair: pair[0])]


def service(number):
    return ("/api/v1/namespaces/%s/services" % NS,
            {"metadata": {"name": "svc-%d" % number}, "spec": {"ports": [{"name": "http", "port": 80, "targetPort": 8080}]}})


def account(options, number):
    return "account-%d" % (number % options.accounts)


def pod(options, number):
    return ("/api/v1/namespaces/%s/pods" % NS,
            {"metadata": {"name": "pod-%d" % number, "labels": {"tulle.dev/meshed": "true"},
                          "annotations": {"tulle.dev/service-account": account(options, number)}},
             "spec": {"schedulerName": "none", "serviceAccountName": account(options, number), "automountServiceAccountToken": False,
                      "containers": [{"name": "app", "image": "none"}]}})


def token_of(options, number, uid):
    """As kubelet asks for it: bound to the pod, for which the control plane signs at a rate of its own."""
    pod_ref = {"apiVersion": "v1", "kind": "Pod", "name": "pod-%d" % number, "uid": uid}
    return ("/api/v1/namespaces/%s/serviceaccounts/%s/token" % (NS, account(options, number)),
            {"spec": {"audiences": ["tulle"], "boundObjectRef": pod_ref, "expirationSeconds": 3600}})


def address(number):
    return "10.%d.%d.%d" % (100 + number // 65536, number // 256 % 256, number % 256)


def status_of(number):
    """Of a pod, as its kubelet would write it."""
    ip = address(number)
    return ("/api/v1/namespaces/%s/pods/pod-%d/status" % (NS, number), {"status": {"podIP": ip, "podIPs": [{"ip": ip}]}})


def endpoint(number, uids):
    made = {"addresses": [address(number)], "conditions": {"ready": True}}
    if number < len(uids):
        made["targetRef"] = {"kind": "Pod", "namespace": NS, "name": "pod-%d" % number, "uid": uids[number]}
    return made


def endpoints_of(options, number, uids):
    return [endpoint(number + i * options.services, uids) for i in range(options.endpoints)]


def slice_of(options, number, uids):
    name = "svc-%d" % number
    return ("/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices" % NS,
            {"metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}}, "addressType": "IPv4",
             "ports": [{"name": "http", "port": 8080}], "endpoints": endpoints_of(options, number, uids)})


def uses(options, proxy):
    """Ten services of each sidecar; the first is called by so many percent of them."""
    others = [1 + (proxy * 7 + i) % (options.services - 1) for i in range(10)]
    return [0] + others[:9] if proxy % 100 < options.popular else others


class Usage:
    def __init__(self, pid):
        self.pid = pid

    def cpu(self):
        with open("/proc/%d/stat" % self.pid, encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def mib(self):
        with open("/proc/%d/statm" % self.pid, encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE / 2**20


def settle(usage):
    """Waits until the process has nothing to do."""
    before = -1
    while usage.cpu() - before > 0.02:
        before = usage.cpu()
        time.sleep(1)


def measure(options):
    """In the network namespace of the cluster."""
    usage = Usage(options.pid)
    settle(usage)
    empty = usage.mib()
    services = write(options, [service(i) for i in range(options.services)])
    uids = [made["metadata"]["uid"] for made in write(options, [pod(options, i) for i in range(options.proxies)])]
    write(options, [status_of(i) for i in range(options.proxies)], "PATCH", "application/merge-patch+json")
    settle(usage)
    with_pods = usage.mib()
    write(options, [slice_of(options, i, uids) for i in range(options.services)])
    settle(usage)
    full = usage.mib()
    count = options.services * options.endpoints
    print("%d Services, %d endpoints, %d pods: %.1f MiB empty, %.1f with Services and pods, %.1f with endpoints" % (
        options.services, count, options.proxies, empty, with_pods, full))
    print("memory of 1,000 endpoints: %.2f MiB" % ((full - with_pods) / count * 1000))
    start = time.monotonic()
    for number, made in enumerate(write(options, [token_of(options, i, uid) for i, uid in enumerate(uids)])):
        keep(options.states, "token-%d" % number, made["status"]["token"])
    print("%d tokens, each bound to its pod, made in %.1f s" % (options.proxies, time.monotonic() - start))
    settle(usage)
    plan = {"control": options.control, "roots": options.states + "/roots", "directory": options.states,
            "watch": "outbound|80||%s.%s.svc.cluster.local" % (MOVED, NS),
            "pods": [{"uid": uid, "token": "%s/token-%d" % (options.states, i),
                      "listeners": ["%s_80" % services[s]["spec"]["clusterIP"] for s in uses(options, i)]}
                     for i, uid in enumerate(uids)]}
    with open(options.states + "/plan.json", "w", encoding="utf-8") as file:
        json.dump(plan, file)
    start = time.monotonic()
    crew = subprocess.Popen([options.crew, file.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert crew.stdout.readline() == "served\n"
        print("%d sidecars joined and were served in %.1f s" % (options.proxies, time.monotonic() - start))
        settle(usage)
        print("memory of a proxy: %.0f KiB; %.1f MiB in all" % ((usage.mib() - full) / options.proxies * 1024, usage.mib()))
        change(options, uids, usage, crew)
    finally:
        crew.kill()
        crew.wait()


def percentile(values, percent):
    """In ms."""
    return statistics.quantiles(values, n=100)[percent - 1] * 1000


def change(options, uids, usage, crew):
    """Moves one endpoint of the popular service again and again; waits each time until the last caller has acknowledged it."""
    api = Api(options.server, options.pki)
    path = "/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices/%s" % (NS, MOVED)
    callers = sum(0 in uses(options, i) for i in range(options.proxies))
    times, written = [], []
    cpu = usage.cpu()
    for number in range(1, options.changes + 1):
        time.sleep(PAUSE)
        moved = {"addresses": ["10.250.%d.%d" % (number >> 8, number & 255)], "conditions": {"ready": True}}
        body = {"endpoints": endpoints_of(options, 0, uids)[1:] + [moved]}
        start = time.monotonic()
        api.call("PATCH", path, body, "application/merge-patch+json")
        written.append(time.monotonic() - start)
        crew.stdin.write("%d %d\n" % (number, callers))
        crew.stdin.flush()
        times.append(float(crew.stdout.readline()) - start)
    spent = (usage.cpu() - cpu) / options.changes
    print("%d changes of one endpoint with %d callers: p50 %.0f ms, p99 %.0f ms from the write to the last acknowledgement" % (
        options.changes, callers, percentile(times, 50), percentile(times, 99)))
    print("of it the write itself: p50 %.0f ms, p99 %.0f ms; CPU of the control plane per change: %.1f ms" % (
        percentile(written, 50), percentile(written, 99), spent * 1000))


def keep(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("proxies", 2000), ("services", 1000), ("endpoints", 10), ("popular", 10), ("changes", 100),
                          ("accounts", 20)):
        parser.add_argument("--" + name, type=int, default=default)
    for name in ("server", "pki", "control", "states", "crew"):
        parser.add_argument("--" + name, help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    options = arguments()
    if options.pid:
        return measure(options)
    from cluster import Cluster
    from processes import binary
    from on_host import Mesh
    with Cluster() as cluster:
        mesh = Mesh(cluster)
        states = cluster.path("states")
        os.mkdir(states)
        for name in {account(options, i) for i in range(options.proxies)}:
            cluster.kubectl("-n", NS, "create", "serviceaccount", name)
        keep(states, "roots", mesh.roots())
        inside = {"server": cluster.server, "pki": cluster.credentials.folder, "control": "127.0.0.1:15012",
                  "states": states,
                  "crew": binary("tests/scale/pods"), "pid": str(mesh.control.process.pid)}
        argv = [sys.executable, os.path.abspath(__file__), *sys.argv[1:]] + [
            word for name, value in inside.items() for word in ("--" + name, value)]
        return subprocess.run(cluster.namespace.argv(*argv), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
