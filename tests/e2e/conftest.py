"""Fixtures: sidecars, origins and certificates that end with the test."""
import json
import os
import sys

import pytest

# gRPC hooks into fork(), which the tests do for every program that they start: it may abort then.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ads  # noqa: E402
import bootstrap  # noqa: E402
import pki  # noqa: E402
import processes  # noqa: E402
import raw  # noqa: E402
from origin import Origin  # noqa: E402


class Sidecar(processes.Child):
    """A running tulle-sidecar with a static bootstrap."""

    def __init__(self, folder, listeners, clusters, *arguments, **more):
        self.admin_port = processes.free_port()
        path = os.path.join(folder, "sidecar-%d.json" % self.admin_port)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(bootstrap.bootstrap(listeners, clusters, self.admin_port, **more), file, indent=1)
        if "--drain-quiet-ms" not in arguments:  # nobody but the test itself would come late
            arguments = ("--drain-quiet-ms", "0", *arguments)
        if "--workers" not in arguments:
            arguments = ("--workers", processes.WORKERS, *arguments)
        super().__init__([sidecar_binary(), "-c", path, *arguments], path[:-5] + ".log")
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def wait_until_ready(self):
        self.wait_for_port(self.admin_port)
        processes.wait_until(lambda: raw.get(self.admin_port, "/ready", host="127.0.0.1").status == 200, "the sidecar is not ready:\n" + self.log()[-3000:])

    def admin(self, path, method="GET"):
        return raw.get(self.admin_port, path, method=method, host="127.0.0.1")

    def metrics(self):
        """Prometheus samples: {(name, frozenset of labels): value}."""
        return parse_metrics(self.admin("/stats/prometheus").body.decode())


class DynamicSidecar(Sidecar):
    """A sidecar that a management server steers."""

    def __init__(self, folder, management):
        self.admin_port = processes.free_port()
        path = os.path.join(folder, "dynamic-%d.json" % self.admin_port)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(ads.dynamic_bootstrap(management.port, self.admin_port), file)
        processes.Child.__init__(self, [sidecar_binary(), "-c", path], path[:-5] + ".log")
        try:
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise


def parse_metrics(text):
    from re import findall, match
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            parts = match(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$", line)
            assert parts, "not a Prometheus sample: " + line
            labels = frozenset(findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', parts[2] or ""))
            assert (parts[1], labels) not in samples, "twice: " + line
            samples[(parts[1], labels)] = float(parts[3])
    return samples


def sidecar_binary():
    path = processes.binary("sidecar/tulle-sidecar")
    if not path:
        pytest.fail("tulle-sidecar is not built: bazel build //sidecar:tulle-sidecar")
    return path


@pytest.fixture
def run_sidecar(tmp_path):
    """run_sidecar(listeners, clusters, *arguments, **more of the bootstrap) -> Sidecar. At the end each must still run, and end by SIGTERM with 0."""
    started = []

    def start(listeners, clusters, *arguments, **more):
        started.append(Sidecar(str(tmp_path), listeners, clusters, *arguments, **more))
        return started[-1]

    yield start
    codes = [(s.running(), s.stop(), s) for s in started]
    for running, code, sidecar in codes:
        assert getattr(sidecar, "expected_to_end", False) or (running and code == 0), (
            "the sidecar %s, code %s:\n%s" % ("ended badly" if running else "had died", code, sidecar.log()[-5000:]))


@pytest.fixture
def origin():
    made = Origin()
    yield made
    made.close()


@pytest.fixture
def make_origin():
    made = []

    def make(*arguments, **options):
        made.append(Origin(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def run_child(tmp_path):
    """run_child(argv, port): another program, ended by its id."""
    started = []

    def start(argv, port=None, **options):
        started.append(processes.Child(argv, str(tmp_path / ("child-%d.log" % len(started))), **options))
        if port:
            started[-1].wait_for_port(port)
        return started[-1]

    yield start
    for child in started:
        child.stop()


class Proxy:
    """One sidecar between a client on `port` and an origin."""

    def __init__(self, sidecar, port, origin):
        self.sidecar = sidecar
        self.port = port
        self.origin = origin


@pytest.fixture
def proxy(run_sidecar, origin):
    """HTTP/1.1, one hop, one worker, a recording origin behind."""
    port = processes.free_port()
    sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(codec="HTTP1"))],
                          [bootstrap.cluster(ports=[origin.port])], "--workers", "1")
    return Proxy(sidecar, port, origin)


@pytest.fixture
def make_proxy(run_sidecar):
    """make_proxy(origin, cluster={...}, **options of the connection manager) -> Proxy. With one_worker where a test counts connections."""

    def make(origin, cluster=None, listener=None, one_worker=False, **options):
        port = processes.free_port()
        options.setdefault("codec", "HTTP1")
        sidecar = run_sidecar([bootstrap.listener(port, bootstrap.connection_manager(**options), **(listener or {}))],
                              [bootstrap.cluster(ports=[origin.port], **(cluster or {}))],
                              *(("--workers", "1") if one_worker else ()))
        return Proxy(sidecar, port, origin)

    return make


@pytest.fixture
def authority(tmp_path):
    return pki.Authority(tmp_path)


@pytest.fixture
def management(tmp_path):
    made = ads.ManagementServer(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def dynamic(tmp_path, management):
    """dynamic() -> a sidecar steered by `management`, once its first resources are there."""
    started = []

    def start():
        started.append(DynamicSidecar(str(tmp_path), management))
        return started[-1]
    yield start
    for sidecar in started:
        assert sidecar.running(), sidecar.log()[-3000:]
        assert sidecar.stop() == 0, sidecar.log()[-3000:]
