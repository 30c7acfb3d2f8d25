"""The programs of a Kubernetes cluster: built once from Go modules, kept outside the tree.

    /usr/bin/python3 tests/k8s/programs.py      builds what is missing (about 15 minutes on 2 cores) and prints where it is

They are in $TULLE_K8S, by default ~/.cache/tulle-k8s, under names that say what they were built from. The definitions of the
Gateway API's resources are taken from its Go module (gateway_api())."""
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "programs")
NAMES = ("kubernetes", "coredns")
CONFORMANCE_NAMES = ("conformance", "echo")  # the suite, and the application that its pods run
HELM = "helm"
KUBERNETES = "v1.34.4"  # as in programs/kubernetes/go.mod
# Of the Debian packages in scripts/packages-kubernetes.txt.
GATEWAY_API = "v1.6.3"  # as in programs/conformance/go.mod
CONTROL_PROGRAMS = ("etcd",)
NODE_PROGRAMS = ("containerd", "ctr", "runc", "busybox", "iptables", "conntrack")


def cache():
    return os.environ.get("TULLE_K8S") or os.path.expanduser("~/.cache/tulle-k8s")


def _digest(name):
    """Of what decides the binary: a change of it builds anew."""
    digest = hashlib.sha256()
    folder = os.path.join(SOURCES, name)
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), "rb") as content:
            digest.update(file.encode() + b"\0" + content.read())
    return digest.hexdigest()[:16]


def path(name):
    return os.path.join(cache(), "bin", "%s-%s" % (name, _digest(name)))


def gateway_api():
    """The folder with the custom resource definitions of the standard channel; it exists once fetch_gateway_api() was called."""
    return os.path.join(cache(), "gateway-api-" + GATEWAY_API)


def suite_manifests():
    """What the conformance suite applies; the folder exists once fetch_suite_manifests() was called."""
    return os.path.join(cache(), "conformance-mesh-" + GATEWAY_API)


def _fetch(module, folder, kept):
    """Keeps a folder of a Go module as `kept`: tests have no Go."""
    if os.path.isdir(kept):
        return kept
    where = os.path.join(SOURCES, "conformance")
    # The folder of a module is not known before it was downloaded.
    subprocess.run(["go", "mod", "download", module], cwd=where, check=True)
    found = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=where, capture_output=True, text=True,
                           check=True).stdout.strip()
    part = "%s.%d" % (kept, os.getpid())
    shutil.copytree(os.path.join(found, folder), part)
    os.rename(part, kept)
    return kept


def fetch_gateway_api():
    return _fetch("sigs.k8s.io/gateway-api", os.path.join("config", "crd", "standard"), gateway_api())


def fetch_suite_manifests():
    return _fetch("sigs.k8s.io/gateway-api/conformance", "mesh", suite_manifests())


def missing(node, conformance=False):
    """What prevents a cluster from being started; empty: nothing."""
    names = (NAMES if node else NAMES[:1]) + (CONFORMANCE_NAMES if conformance else ())
    lacking = [name for name in names if not os.access(path(name), os.X_OK)]
    if conformance and not os.path.isdir(suite_manifests()):
        lacking.append("the manifests of the conformance suite")
    if lacking:
        return "%s not built: run tests/k8s/programs.py" % " and ".join(lacking)
    where = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
    for program in CONTROL_PROGRAMS + (NODE_PROGRAMS if node else ()):
        if shutil.which(program, path=where) is None:
            return "%s is not installed: run scripts/install-packages packages-kubernetes.txt" % program
    return ""


def _flags(name):
    flags = ["-s", "-w"]
    if name == "kubernetes":
        # Without it the programs say v0.0.0, which kubelet and kubectl warn of.
        version = {"gitVersion": KUBERNETES, "gitMajor": "1", "gitMinor": KUBERNETES.split(".")[1], "gitTreeState": "clean"}
        flags += ["-X k8s.io/component-base/version.%s=%s" % item for item in version.items()]
    return " ".join(flags)


def _commands(name, out):
    """What builds a program, or a folder with two of them."""
    flags = ["-trimpath", "-mod=readonly", "-ldflags", _flags(name)]
    if name == "conformance":
        return [["go", "test", "-c", *flags, "-o", out, "."]]
    if name == "echo":
        return [["go", "build", *flags, "-o", os.path.join(out, each), "istio.io/istio/pkg/test/echo/cmd/" + each]
                for each in ("client", "server")]
    if name == HELM:
        return [["go", "build", *flags, "-o", out, "helm.sh/helm/v3/cmd/helm"]]
    return [["go", "build", *flags, "-o", out, "."]]


def build(name):
    """Leaves the binary where path() says; a build that fails leaves nothing."""
    out = path(name)
    if os.access(out, os.X_OK):
        return out
    if shutil.which("go") is None:
        raise SystemExit("go is not installed: it is needed to build the programs of Kubernetes")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    part = "%s.%d" % (out, os.getpid())
    print("building %s (once)" % name, flush=True)
    for command in _commands(name, part):
        subprocess.run(command, cwd=os.path.join(SOURCES, name), env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    os.rename(part, out)
    return out


if __name__ == "__main__":
    for wanted in NAMES + CONFORMANCE_NAMES + (HELM,):
        print(build(wanted))
    print(fetch_gateway_api())
    print(fetch_suite_manifests())
    print(missing(node=True) or "all there")
    sys.exit(0)
