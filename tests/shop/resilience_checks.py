"""What the mesh does when a service fails: checks of the demo against the lab. Each returns (what was seen, whether it holds)."""
import json
import statistics
import threading
import time

import processes

POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: lab}
spec:
  targetRef: {kind: Service, name: lab}
%s
"""
NO_BREAKER = "  breaker: {consecutiveFailures: 0}\n"


class Lab:
    """The lab behind its sidecar, as customers and as its owner reach it."""

    def __init__(self, demo):
        self.demo = demo
        self.own = demo.workloads["lab"]

    def obey(self, policy):
        """The policy is in force at the customers' sidecar; the lab has forgotten what it saw."""
        self.demo.mesh.apply(POLICY % policy)
        processes.wait_until(self.demo.mesh.all_in_sync, "the lab's policy is in force", 20)
        self.tell("/forget")

    def tell(self, target):
        assert self.demo.ask_own(self.own, target, method="POST").status == 200

    def seen(self):
        return json.loads(self.demo.ask_own(self.own, "/seen").body)

    def load(self, path, threads, requests=0, seconds=0):
        return self.demo.run_load("lab", "--path", path, "--threads", str(threads), "--rate", "20000",
                                  *(["--requests", str(requests)] if requests else []), *(["--seconds", str(seconds)] if seconds else []))

    def get(self, path):
        """Status and seconds of one request."""
        began = time.monotonic()
        status = self.demo.ask("lab", path).status
        return status, time.monotonic() - began


def check_attempts(demo):
    lab = Lab(demo)
    lab.obey("  retries: {attempts: 2, on: [5xx], budget: {percent: 100}}\n" + NO_BREAKER)
    total = lab.load("/flaky/20", 20, requests=5000)
    good = 100 * (total["sent"] - total["failed"]) / total["sent"]
    return "%d requests against 20 %% of status 500: %.2f %% answered" % (total["sent"], good), good >= 98.5 and total["sent"] >= 5000


def check_budget(demo):
    lab = Lab(demo)
    lab.obey("  retries: {attempts: 3, on: [5xx]}\n" + NO_BREAKER)
    total = lab.load("/status/500", 50, requests=5000)
    upstream = lab.seen()["count"]
    ratio = upstream / total["sent"]
    return "50 in flight, all fail: %d requests became %d, ratio %.2f" % (total["sent"], upstream, ratio), (
        total["failed"] == total["sent"] and 1 < ratio <= 1.25)


def check_breaker(demo):
    """503 from the first on: after the opening burst one request each half-open window, and service again once it heals."""
    lab = Lab(demo)
    lab.obey("  retries: {attempts: 0}\n  breaker: {consecutiveFailures: 5, on: gatewayErrors, openFor: 1s, maxOpenFor: 60s, maxOpenPercent: 100}\n")
    lab.load("/switch", 50, seconds=5)
    arrivals = lab.seen()["at_ms"]
    trials = [at for at in arrivals if at > arrivals[0] + 900]
    gaps = [(b - a) / 1000 for a, b in zip([arrivals[0], *trials], trials)]
    lab.tell("/heal")
    processes.wait_until(lambda: lab.get("/switch")[0] == 200, "the breaker closes", 15)
    healed = lab.load("/switch", 50, requests=500)
    return "%d before it opened, then trials after %s s; after healing %d of %d answered" % (
        len(arrivals) - len(trials), ", ".join("%.1f" % gap for gap in gaps), healed["sent"] - healed["failed"], healed["sent"]), (
            len(trials) > 0 and all(gap >= 0.95 for gap in gaps) and healed["failed"] == 0)


def check_timeout(demo):
    lab = Lab(demo)
    lab.obey("  timeouts: {request: 2s}\n  retries: {attempts: 0}\n" + NO_BREAKER)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(lab.get("/slow/6000"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    median = statistics.median(seconds for _, seconds in answers)
    statuses = sorted({status for status, _ in answers})
    return "statuses %s, median of %d: %.2f s" % (statuses, len(answers), median), statuses == [504] and abs(median - 2) <= 0.2


def check_bulkhead(demo):
    """A slow dependency takes its share and no more: the rest is told at once, and the shop goes on."""
    lab = Lab(demo)
    lab.obey("  limits: {perClientMaxRequests: 10}\n  retries: {attempts: 0}\n" + NO_BREAKER)
    before = len(demo.seconds)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(lab.get("/slow/3000"))) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [seconds for status, seconds in answers if status == 503]
    shop = demo.seconds[before:before + 3]
    worst = max(second["p99_ms"] for second in shop)
    return "10 of 60 wait for the slow lab, %d are refused within %.2f s; the shop meanwhile: %d failed, p99 %.0f ms" % (
        len(refused), max(refused, default=0), sum(second["failed"] for second in shop), worst), (
            len(refused) == 50 and max(refused) < 1 and all(second["failed"] == 0 for second in shop) and worst < 1000)


CHECKS = [
    ("3 attempts against 20 % errors: at least 98.5 % succeed", check_attempts),
    ("the default retry budget limits load to 1.25 attempts per request", check_budget),
    ("circuit breaker, 2 workers, 50 clients: one trial request at a time", check_breaker),
    ("a slow backend gets 504 after the configured 2 s", check_timeout),
    ("limits keep a slow dependency from affecting the others", check_bulkhead),
]
