"""The programs of a Kubernetes cluster: built once from Go modules, kept outside the tree.

    /usr/bin/python3 tests/k8s/programs.py      builds what is missing (about 10 minutes on 2 cores) and prints where it is

They stand in $TULLE_K8S, by default ~/.cache/tulle-k8s, in a folder named after what they are built from."""
import hashlib
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "programs")
NAMES = ("kubernetes", "coredns")
KUBERNETES = "v1.34.4"  # as in programs/kubernetes/go.mod
# Of the Debian packages in scripts/packages-kubernetes.txt.
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


def missing(node):
    """What prevents a cluster from being started; empty: nothing."""
    names = NAMES if node else NAMES[:1]
    lacking = [name for name in names if not os.access(path(name), os.X_OK)]
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
    subprocess.run(["go", "build", "-trimpath", "-mod=readonly", "-ldflags", _flags(name), "-o", part, "."],
                   cwd=os.path.join(SOURCES, name), env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    os.rename(part, out)
    return out


if __name__ == "__main__":
    for wanted in NAMES:
        print(build(wanted))
    print(missing(node=True) or "all there")
    sys.exit(0)
