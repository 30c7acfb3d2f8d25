"""The blog shop in the mesh: starts it, shows it, checks it, and cleans up after itself."""
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "e2e")]

import mesh_checks  # noqa: E402
import processes  # noqa: E402
import resilience_checks  # noqa: E402
from api_door import ApiDoor  # noqa: E402
from shop import SPLIT, Demo  # noqa: E402


def checks(demo):
    redis = mesh_checks.REDIS if "redis" in demo.workloads else []
    printed = ("the commands that ./demo prints work as they are printed", check_commands)
    return [*mesh_checks.FIRST, *redis, printed, *resilience_checks.CHECKS, *mesh_checks.LAST]


def check(demo):
    began = time.monotonic()
    demo.start_load()
    time.sleep(3)
    rows = []
    for name, one in checks(demo):
        try:
            seen, holds = one(demo)
        except Exception as error:  # pylint: disable=broad-except
            seen, holds = "%s: %s" % (type(error).__name__, error), False
        rows.append((name, seen, holds))
    time.sleep(2)
    total = demo.stop_load()
    rate = total["sent"] / total["seconds"]
    rows.append(("at least 300 requests/s, GET and POST, half on new connections", "%.0f/s, %d %% POST, %d %% on new connections, p99 %.1f ms" % (
        rate, 100 * total["posts"] / total["sent"], 100 * total["new_connections"] / total["sent"], total["p99_ms"]), rate >= 300))
    rows.append(("no request failed, all bodies verified", "%d sent, %d failed %s" % (
        total["sent"], total["failed"], total["reasons"] or ""), total["failed"] == 0))
    dead = [w.tag for w in demo.workloads.values() if not w.sidecar.running()]
    rows.append(("no sidecar crashed", ", ".join(dead) or "all running", not dead))
    return rows, time.monotonic() - began


def print_table(rows, seconds, place):
    width = max(len(name) for name, _, _ in rows)
    print("\nworkloads: %s\n" % place)
    for name, seen, holds in rows:
        print("%s  %-*s  %s" % ("ok  " if holds else "FAIL", width, name, seen))
    failed = sum(not holds for _, _, holds in rows)
    print("\n%d of %d checks passed in %.0f s" % (len(rows) - failed, len(rows), seconds))
    return failed


def commands(demo):
    """What there is to try: what it shows, the command as a person types it, and its exit code."""
    customers, gateway, payment = (demo.workloads[name] for name in ("customers", "gateway", "payment"))
    place = demo.place
    return [
        ("a request through three sidecars (see x-caller)", place.curl(customers, "gateway", "/blog/7") + " -H 'Authorization: me'", 0),
        ("plaintext to payment's sidecar (refused)", place.curl_door(payment, "/payments"), 52),
        ("metrics of the gateway's sidecar", place.curl_admin(gateway, "/stats/prometheus") + " | grep istio_requests_total", 0),
        ("its certificates and their expiry", place.curl_admin(gateway, "/certs"), 0),
        ("its configuration", place.curl_admin(gateway, "/config_dump"), 0),
        ("connected proxies and their state", demo.mesh.command("status"), 0),
        ("success and latency of each service", demo.mesh.command("stat"), 0),
        ("routes of the gateway's sidecar", demo.mesh.command("proxy-config", demo.instance_of("gateway"), "routes"), 0),
    ]


def check_commands(demo):
    """They work as they are printed, in the folder of the tree."""
    # The control plane was restarted: it has numbers when an interval of ten seconds is over.
    processes.wait_until(lambda: demo.mesh.tullectl("stat"), "sidecars have reported their traffic", 40)
    wrong = []
    for _, command, code in commands(demo):
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode != code or (code == 0 and not done.stdout):
            wrong.append("%s: exit code %d %s" % (command, done.returncode, done.stderr[-200:]))
    return "; ".join(wrong) or "%d of %d" % (len(commands(demo)), len(commands(demo))), not wrong


def dashboard_command(demo):
    """As a person on this host types it, also where the control plane has a network of its own."""
    if not demo.place.transparent:
        return demo.mesh.command("dashboard")
    demo.api_door = ApiDoor(lambda: demo.place.connect_control(demo.mesh.api))
    return "%sbazel-bin/control-plane/cli/tullectl --server https://127.0.0.1:%d --credential-file %s dashboard" % (
        demo.mesh.host.typed_prefix, demo.api_door.port, demo.mesh.admin_file)


def show(demo):
    place = demo.place
    print("""
The shop is running: customers -> gateway -> auth, post (v1 %d %%, v2 %d %%), image, payment. Each service has a sidecar, configured
by tulle-control, and sidecars only use mTLS between each other. Workloads: %s.

The dashboard, in another terminal, in this folder; the lab fails now and then, so that there is something to find:
  %s

More to try there:
%s

Once per second: requests, failures, latency, and which instances served them. Press Ctrl-C to stop.
""" % (SPLIT["v1"], SPLIT["v2"], place.describe(), dashboard_command(demo), "\n".join(
        "  %-50s %s" % (what + ":", command) for what, command, _ in commands(demo))), flush=True)
    demo.on_second = lambda second: print("%4d requests  %d failed  p50 %5.1f ms  p99 %6.1f ms  %s %s" % (
        second["sent"], second["failed"], second["p50_ms"], second["p99_ms"],
        "  ".join("%s %d" % pair for pair in sorted(second["served_by"].items())), second["reasons"] or ""), flush=True)
    demo.start_load()
    demo.start_flaky_load()
    while all(child.running() for child in demo.children):
        time.sleep(0.5)
    dead = next(child for child in demo.children if not child.running())
    print("%s exited unexpectedly:\n%s" % (dead.argv[0], dead.log()[-2000:]))
    return 1


def main():
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda number, _: sys.exit(128 + number))
    print("starting the shop ...", flush=True)
    try:
        with Demo(explicit_ports="--explicit-ports" in sys.argv) as demo:
            if "--check" not in sys.argv:
                return show(demo)
            rows, seconds = check(demo)
        rows.append(("every process stopped on request", ", ".join(demo.died) or "all", not demo.died))
        return 1 if print_table(rows, seconds, demo.place.describe()) else 0
    except KeyboardInterrupt:
        print("\nstopped and cleaned up")
        return 0


if __name__ == "__main__":
    sys.exit(main())
