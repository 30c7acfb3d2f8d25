"""The Gateway API's own conformance tests for meshes, run against Tulle in a cluster of its own.

    /usr/bin/python3 tests/k8s/conformance.py                            all tests, in one run of the suite
    /usr/bin/python3 tests/k8s/conformance.py --times 3                  three runs in a row, on one cluster
    /usr/bin/python3 tests/k8s/conformance.py --each                     each test alone
    /usr/bin/python3 tests/k8s/conformance.py --only MeshTrafficSplit
    /usr/bin/python3 tests/k8s/conformance.py --strict                   the mesh accepts no plaintext
    /usr/bin/python3 tests/k8s/conformance.py --report FILE              also writes the suite's report

The suite makes pods that know nothing of a mesh in namespaces that say by their label that they want one; everything else is
the mesh's. Its requests come from an application that Istio wrote for tests (programs/echo). It exits with 0 if every test of a
mesh has passed, and 1 otherwise."""
import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))

import image  # noqa: E402
import programs  # noqa: E402
from cluster import Cluster  # noqa: E402
from meshed import Mesh, STRICT  # noqa: E402

PROFILES = "MESH-HTTP,MESH-GRPC"
NAMESPACES = ("gateway-conformance-mesh", "gateway-conformance-mesh-consumer")
# Whose pods the mesh takes in.
LABELS = "tulle.dev/inject=enabled"
# The suite has no test of a mesh for this many minutes.
PATIENCE_MINUTES = 30
RESULT = re.compile(r"^ *--- (PASS|FAIL|SKIP): TestMesh/(\w+) \(([\d.]+)s\)", re.MULTILINE)
# The tests of a mesh and their cases; the last one that the suite was in when it wrote a line.
CURRENT = re.compile(r"^=== (?:RUN|CONT|NAME) +TestMesh/(\w+)")
WANTED = re.compile(r"not ready yet: (.*?)(?: \(after|$)|(error (?:waiting|creating).*)|(Weighted distribution tests failed.*)")


def _suite(*arguments):
    return [programs.path("conformance"), *arguments]


def features():
    """All that the tests of a mesh need: each of them runs."""
    output = subprocess.run(_suite("-test.run", "^TestFeatures$"), capture_output=True, text=True, check=True).stdout
    return re.search(r"^features=(\S+)$", output, re.MULTILINE)[1]


def _echo_image():
    """As the suite's manifests name it."""
    with open(os.path.join(programs.suite_manifests(), "manifests.yaml"), encoding="utf-8") as manifests:
        names = set(re.findall(r"image: *(\S+)", manifests.read()))
    assert len(names) == 1, "the suite needs other images than the one that is known: %s" % sorted(names)
    return names.pop()


def _load_echo(cluster):
    root = cluster.path("image-echo")
    for program in ("client", "server"):
        image.place(root, os.path.join(programs.path("echo"), program), "/usr/local/bin/" + program)
    # For its port 8443; nobody verifies it.
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                    "-subj", "/CN=echo", "-keyout", root + "/cert.key", "-out", root + "/cert.crt"], capture_output=True,
                   check=True)
    os.chmod(root + "/cert.key", 0o644)
    os.mkdir(root + "/tmp")
    os.chmod(root + "/tmp", 0o1777)
    archive = cluster.path("echo.tar")
    # Not the user of the sidecar: its connections would not be redirected.
    image.oci.write_archive(archive, _echo_image(), root, ["/usr/local/bin/server"], user="1338")
    cluster.load_image(archive)


def prepare(cluster):
    """A node, names, the definitions of the Gateway API, Tulle, and the suite's application."""
    cluster.add_node()
    cluster.start_dns()
    cluster.kubectl("apply", "--server-side", "-f", programs.gateway_api())
    for kind in ("httproutes", "grpcroutes", "referencegrants"):
        cluster.wait_for("condition=Established", "crd/%s.gateway.networking.k8s.io" % kind)
    _load_echo(cluster)
    return Mesh(cluster)


def run(cluster, log, only=None, report=None):
    """One run of the suite; its output goes to the file `log`. Returns {test: (result, seconds, what it missed)}."""
    # What the run before made is deleted when it ends, and goes later.
    for name in NAMESPACES:
        cluster.wait_for("delete", "namespace/" + name)
    argv = _suite("-test.v", "-test.timeout", "%dm" % PATIENCE_MINUTES, "-test.run", "^TestMesh$", "--gateway-class=",
                  "--conformance-profiles=" + PROFILES, "--supported-features=" + features(), "--namespace-labels=" + LABELS,
                  "--organization=tulle", "--project=tulle", "--url=https://tulle.dev", "--version=dev", "--contact=tulle")
    if only:
        argv.append("--run-test=" + only)
    if report:
        argv.append("--report-output=" + os.path.abspath(report))
    with open(log, "w", encoding="utf-8") as out:
        subprocess.run(cluster.namespace.argv(*argv), stdout=out, stderr=subprocess.STDOUT, check=False,
                       env={**os.environ, "KUBECONFIG": cluster.admin})
    with open(log, encoding="utf-8", errors="replace") as text:
        return results(text.read())


def results(log):
    missed = {}
    current = None
    for line in log.splitlines():
        current = (CURRENT.match(line) or [None, current])[1]
        found = WANTED.search(line)
        if found and current:
            missed[current] = next(each for each in found.groups() if each)
    return {name: (result, float(seconds), missed.get(name, "") if result == "FAIL" else "")
            for result, name, seconds in RESULT.findall(log) if result != "SKIP"}


def table(outcome):
    lines = ["%s  %-48s %6.1f s  %s" % (result, name, seconds, text[:200]) for name, (result, seconds, text) in
             sorted(outcome.items())]
    passed = sum(result == "PASS" for result, _, _ in outcome.values())
    return "\n".join(lines + ["%d of %d tests passed" % (passed, len(outcome))])


def is_good(outcome):
    return bool(outcome) and all(result == "PASS" for result, _, _ in outcome.values())


def _main():
    parser = argparse.ArgumentParser(description="Runs the Gateway API's conformance tests for meshes.")
    parser.add_argument("--only", metavar="TEST", help="one test, such as MeshTrafficSplit")
    parser.add_argument("--strict", action="store_true", help="the mesh accepts no plaintext")
    parser.add_argument("--times", type=int, default=1, metavar="N", help="runs in a row")
    parser.add_argument("--each", action="store_true", help="then each test alone")
    parser.add_argument("--report", metavar="FILE", help="where the suite writes its report")
    parser.add_argument("--log", default="conformance.log", metavar="FILE", help="output of the suite")
    flags = parser.parse_args()
    lacking = programs.missing(node=True, conformance=True)
    if lacking:
        sys.exit("conformance: " + lacking)
    all_good = True
    with Cluster() as cluster:
        mesh = prepare(cluster)
        if flags.strict:
            mesh.policies(STRICT)
        names = []
        for _ in range(flags.times):
            outcome = run(cluster, flags.log, flags.only, flags.report)
            print(table(outcome), flush=True)
            all_good = all_good and is_good(outcome)
            names = sorted(outcome)
        for name in names if flags.each else []:
            outcome = run(cluster, flags.log + "." + name, name)
            print(table(outcome), flush=True)
            all_good = all_good and is_good(outcome)
    return 0 if all_good else 1


if __name__ == "__main__":
    sys.exit(_main())
