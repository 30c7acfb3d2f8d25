"""The programs of the previous version, for the test of an upgrade: built once from its commit, kept outside the tree.

    /usr/bin/python3 tests/k8s/previous.py      builds them if they are missing, and prints where they are

They are beside the programs of Kubernetes (programs.py). The commit is the newest release, or while there is none, an older one
whose objects this version must be able to take over."""
import os
import subprocess
import tempfile

import programs

COMMIT = "b79abead70cf13ac2469db85f46d3127f545c84a"
LABELS = ("control-plane/tulle-control", "control-plane/cli/tullectl", "sidecar/tulle-sidecar", "k8s/init/tulle-init")
ROOT = os.path.dirname(os.path.dirname(programs.HERE))


def folder():
    return os.path.join(programs.cache(), "tulle-" + COMMIT)


def missing():
    """What prevents the test; empty: nothing."""
    return "" if os.path.isdir(folder()) else "the previous version is not built: run tests/k8s/previous.py"


def build():
    """In a work tree with an output base of its own, which are removed; the disk cache is the usual one."""
    if not missing():
        return
    if subprocess.run(["git", "cat-file", "-e", COMMIT], cwd=ROOT, capture_output=True, check=False).returncode:
        print("skipped: this clone does not have the commit %s; fetch the whole history" % COMMIT)
        return
    with tempfile.TemporaryDirectory() as place:
        tree, base = os.path.join(place, "tree"), "--output_base=" + os.path.join(place, "base")
        subprocess.run(["git", "worktree", "add", "--detach", tree, COMMIT], cwd=ROOT, check=True)
        try:
            targets = ["//%s:%s" % os.path.split(label) for label in LABELS]
            subprocess.run(["bazel", base, "build", *targets], cwd=tree, check=True)
            part = "%s.%d" % (folder(), os.getpid())
            for label in LABELS:
                os.makedirs(os.path.join(part, os.path.dirname(label)), exist_ok=True)
                subprocess.run(["strip", "-o", os.path.join(part, label), os.path.join(tree, "bazel-bin", label)], check=True)
            os.rename(part, folder())
        finally:
            subprocess.run(["bazel", base, "shutdown"], cwd=tree, check=False)
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=False)
            # Bazel makes its folders read-only.
            subprocess.run(["chmod", "-R", "u+w", place], check=False)


if __name__ == "__main__":
    build()
    print(missing() or folder())
