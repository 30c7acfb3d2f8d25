"""An OpenTelemetry collector and Jaeger: built once from Go modules, kept outside the tree.

    /usr/bin/python3 tests/interop/programs.py      builds what is missing (about 8 minutes on 2 cores) and prints where it is

They are in $TULLE_INTEROP, by default ~/.cache/tulle-interop, under names that say what they were built from."""
import hashlib
import os
import shutil
import subprocess

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs", "telemetry")
# Name and Go package of each. One module has both: Jaeger is a collector, and its go.sum covers modules that no other list has.
PACKAGES = {"collector": "./collector", "jaeger": "github.com/jaegertracing/jaeger/cmd/jaeger"}


def _digest():
    """Of what decides the binaries: a change of it builds anew."""
    digest = hashlib.sha256()
    for folder, _, files in sorted(os.walk(SOURCES)):
        for file in sorted(files):
            with open(os.path.join(folder, file), "rb") as content:
                digest.update(file.encode() + b"\0" + content.read())
    return digest.hexdigest()[:16]


def path(name):
    cache = os.environ.get("TULLE_INTEROP") or os.path.expanduser("~/.cache/tulle-interop")
    return os.path.join(cache, "%s-%s" % (name, _digest()))


def missing(*names):
    """What a test that needs these says when it is skipped; empty: nothing is missing."""
    lacking = [name for name in names if not os.access(path(name), os.X_OK)]
    return "%s not built: run tests/interop/programs.py" % " and ".join(lacking) if lacking else ""


def build(name):
    """Leaves the binary where path() says; a build that fails leaves nothing."""
    out = path(name)
    if os.access(out, os.X_OK):
        return out
    if shutil.which("go") is None:
        raise SystemExit("go is not installed: it is needed to build the collector and Jaeger")
    os.makedirs(os.path.dirname(out), exist_ok=True)
    part = "%s.%d" % (out, os.getpid())
    print("building %s (once)" % name, flush=True)
    subprocess.run(["go", "build", "-trimpath", "-mod=readonly", "-ldflags", "-s -w", "-o", part, PACKAGES[name]],
                   cwd=SOURCES, env={**os.environ, "CGO_ENABLED": "0"}, check=True)
    os.rename(part, out)
    return out


if __name__ == "__main__":
    for wanted in PACKAGES:
        print(build(wanted))
