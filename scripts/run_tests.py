"""Runs the steps of ./test, shows how far it is, and counts single test cases rather than Bazel targets."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BAZEL = os.environ.get("BAZEL", "bazel")
BAZEL_NOISE = ("--show_progress", "--show_progress_rate_limit=20", "--curses=no", "--color=no", "--noshow_loading_progress")
FUZZ_SECONDS = 60
# Left out of the default run under AddressSanitizer, which compiles everything a second time: programs of users and installers, and what
# only computes. What reads bytes of peers, sidecars and clients stays.
TRUSTED = ["//control-plane/cli/...", "//control-plane/kubernetes/...", "//control-plane/snapshot/...", "//control-plane/registry/...",
           "//k8s/init/...", "//k8s/cni/...", "//k8s/install/...", "//tests/..."]
IMITATED_SIDECARS = 1000


class Tally:
    """What passed, failed and was skipped, with names and reasons."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def fail(self, name, why=""):
        self.failed.append((name, why))

    def read_junit(self, path, name):
        """Adds the cases of a test.xml; a file without cases counts as one test."""
        try:
            cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        except (OSError, ElementTree.ParseError):
            return False
        for case in cases:
            full = "%s %s.%s" % (name, case.get("classname", ""), case.get("name", ""))
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                self.fail(full)
            elif skip is not None or case.get("result") == "skipped" or case.get("status") == "notrun":
                why = (skip.get("message") or skip.text or "") if skip is not None else "disabled"
                self.skipped.append((full, why.strip().splitlines()[-1] if why.strip() else "no reason given"))
            else:
                self.passed += 1
        return bool(cases)


def say(text):
    print(text, flush=True)


def spent(start):
    seconds = int(time.monotonic() - start)
    return "%d:%02d" % (seconds // 60, seconds % 60)


def read_events(path, prefix):
    """The results of one `bazel test` from its build event file."""
    tally = Tally()
    files = {}
    summaries = {}
    broken = []
    with open(path, encoding="utf-8", errors="replace") as events:
        for line in events:
            try:
                event = json.loads(line)
            except ValueError:  # Bazel was ended, or its disk was full, in the middle of a line.
                tally.fail(prefix + "results", "Bazel's list of results is incomplete, see above")
                break
            identity = event.get("id", {})
            if "testResult" in event:
                outputs = {o["name"]: o.get("uri", "") for o in event["testResult"].get("testActionOutput", [])}
                files.setdefault(identity["testResult"]["label"], []).append(outputs.get("test.xml", ""))
            elif "testSummary" in event:
                summaries[identity["testSummary"]["label"]] = event["testSummary"].get("overallStatus")
            elif "targetCompleted" in identity and (event.get("aborted") or not event.get("completed", {}).get("success")):
                broken.append(identity["targetCompleted"]["label"])
    for label, status in sorted(summaries.items()):
        one = Tally()
        for uri in files.get(label, []):
            one.read_junit(uri[len("file://"):] if uri.startswith("file://") else uri, prefix + label)
        if status in ("PASSED", "FLAKY"):
            if not one.passed and not one.skipped:
                one.passed = 1
        elif not one.failed:
            one.fail(prefix + label, status)
        tally.add(one)
    for label in broken:
        if label not in summaries:
            tally.fail(prefix + label, "did not build")
    return tally


def bazel(command, *arguments, prefix=""):
    """Runs Bazel; a build counts nothing when it passes, a test counts its cases."""
    with tempfile.NamedTemporaryFile(suffix=".json") as events:
        argv = [BAZEL, command, "--keep_going", "--build_event_json_file=" + events.name, *BAZEL_NOISE, *arguments]
        code = subprocess.run(argv, cwd=ROOT).returncode
        tally = Tally()
        if command == "test" and os.path.getsize(events.name):
            tally = read_events(events.name, prefix)
        if code == 4:  # Bazel: built, but no tests were found.
            tally.skipped.append((prefix + " ".join(arguments), "no such tests"))
        elif code and not tally.failed:
            tally.fail(prefix + "bazel " + command, "exit code %d, see above" % code)
        return tally


def run(name, *argv):
    """A step that is one command: it passes or fails as a whole."""
    tally = Tally()
    code = subprocess.run(argv, cwd=ROOT).returncode
    if code:
        tally.fail(name, "exit code %d, see above" % code)
    else:
        tally.passed = 1
    return tally


def fuzz_targets():
    found = subprocess.run([os.path.join(ROOT, "scripts/fuzz"), "--list"], capture_output=True, text=True, check=False)
    return found.stdout.split()


def fuzz_all():
    tally = Tally()
    for label in fuzz_targets():
        tally.add(run("fuzz " + label, "scripts/fuzz", label, str(FUZZ_SECONDS)))
    return tally


def scale():
    """Counts and CPU time only: times depend on the machine."""
    built = bazel("build", "//tests/scale", "//control-plane:tulle-control")
    if built.failed:
        return built
    program = "bazel-bin/tests/scale/scale"
    tally = run("tests/scale, changes", program, "--proxies", str(IMITATED_SIDECARS), "--services",
                str(IMITATED_SIDECARS // 10), "--storm", "10", "--watch", "0", "--check")
    tally.add(run("tests/scale, traffic and a dashboard", program, "--proxies", "200", "--services", "10", "--requests",
                  "50", "--storm", "0", "--check"))
    return tally


def observing():
    """What the flight recorder and insight cost, in instructions; a record in CPU time."""
    built = bazel("build", "//sidecar:tulle-sidecar", "//sidecar/proxy:recorder_benchmark", "//control-plane:tulle-control", "//control-plane/cli:tullectl")
    if built.failed:
        return built
    tally = run("recorder_benchmark", "bazel-bin/sidecar/proxy/recorder_benchmark", "--check")
    tally.add(run("tests/benchmark/observing", "tests/benchmark/observing", "--rounds", "1", "--check"))
    return tally


def kubernetes():
    """Built once a machine; ./test uses them if they are there."""
    if shutil.which("go") is None:
        tally = Tally()
        tally.skipped.append(("the programs of Kubernetes", "go is not installed"))
        return tally
    installed = run("the packages of Kubernetes", "scripts/install-packages", "packages-kubernetes.txt")
    if installed.failed:
        return installed
    built = run("tests/k8s/programs.py", "/usr/bin/python3", "tests/k8s/programs.py")
    return built if built.failed else run("tests/k8s/previous.py", "/usr/bin/python3", "tests/k8s/previous.py")


def tracing_systems():
    """Built once a machine, as the programs of Kubernetes."""
    if shutil.which("go") is None:
        tally = Tally()
        tally.skipped.append(("an OpenTelemetry collector and Jaeger", "go is not installed"))
        return tally
    return run("tests/interop/programs.py", "/usr/bin/python3", "tests/interop/programs.py")


def steps_of(mode):
    """The steps in order; each returns a Tally."""
    units = ("unit tests", lambda: bazel("test", "--test_tag_filters=-e2e,-lint,-corpus", "--build_tests_only", "//..."))
    if mode == "--quick":
        return [units]
    steps = [("build everything", lambda: bazel("build", "//..."))]
    if mode == "--full":
        # Before the tests that are skipped without them: Bazel remembers what it has run.
        steps += [
            ("the programs of Kubernetes", kubernetes),
            ("an OpenTelemetry collector and Jaeger", tracing_systems),
        ]
    steps += [
        units,
        ("layering and format", lambda: bazel("test", "--test_tag_filters=lint", "--build_tests_only", "//tests/...")),
        ("clang-tidy", lambda: run("scripts/tidy", "scripts/tidy")),
        ("fuzz corpora", lambda: bazel("test", "--test_tag_filters=corpus", "--build_tests_only", "//...")),
        ("end to end", lambda: bazel("test", "--test_tag_filters=e2e,-conformance,-nodes", "--build_tests_only", "//tests/...")),
        ("AddressSanitizer and UBSan: unit tests and fuzz corpora", lambda: bazel(
            "test", "--config=asan", "--test_tag_filters=-e2e,-lint", "--build_tests_only", "--", "//...",
            *([] if mode == "--full" else ["-" + targets for targets in TRUSTED]), prefix="asan ")),
    ]
    if mode == "--full":
        steps += [
            ("on Kubernetes", lambda: bazel("test", "--test_tag_filters=e2e", "--build_tests_only", "//tests/k8s/...")),
            ("ThreadSanitizer: unit tests", lambda: bazel(
                "test", "--config=tsan", "--test_tag_filters=-e2e,-lint,-corpus", "--build_tests_only", "//...", prefix="tsan ")),
            ("end to end with ThreadSanitizer and two workers", lambda: bazel(
                "test", "--config=tsan", "--test_tag_filters=e2e", "--test_env=TULLE_WORKERS=2", "--build_tests_only", "//tests/e2e/...", prefix="tsan ")),
            ("end to end with AddressSanitizer", lambda: bazel(
                "test", "--config=asan", "--test_tag_filters=e2e", "--build_tests_only", "//tests/...", prefix="asan ")),
            ("each source alone: includes that are missing", lambda: bazel("build", "--define=units=off", "//...")),
            ("fuzzing, %d s a target" % FUZZ_SECONDS, fuzz_all),
            ("the demo's check", lambda: run("./demo --check", "./demo", "--check")),
            ("a short benchmark", lambda: run("tests/benchmark/run", "tests/benchmark/run", "--quick")),
            ("what the flight recorder and insight cost", observing),
            ("the control plane with %d sidecars" % IMITATED_SIDECARS, scale),
        ]
    return steps


LEFT_OUT = {
    "--quick": ["everything but unit tests: quick was asked for (./test runs more, ./test --full all)"],
    "": ["AddressSanitizer for tullectl, installers and simulations, ThreadSanitizer, end to end under AddressSanitizer, fuzzing, the demo's check, "
         "pods and nodes of Kubernetes, the benchmark, the control plane at scale: they take long (./test --full)"],
    "--full": [],
}


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    start = time.monotonic()
    total = Tally()
    steps = steps_of(mode)
    lines = []
    for number, (name, step) in enumerate(steps, 1):
        say("\n== step %d of %d: %s (elapsed %s)" % (number, len(steps), name, spent(start)))
        began = time.monotonic()
        tally = step()
        total.add(tally)
        lines.append("%6s  %-58s %5d passed %4d failed %4d skipped" % (
            spent(began), name, tally.passed, len(tally.failed), len(tally.skipped)))
    say("\n== summary (elapsed %s)" % spent(start))
    for line in lines:
        say(line)
    for name, why in total.skipped:
        say("skipped: %s: %s" % (name, why))
    for text in LEFT_OUT[mode]:
        say("not run: " + text)
    for name, why in total.failed:
        say("FAILED: %s%s" % (name, ": " + why if why else ""))
    say("%d passed, %d failed, %d skipped" % (total.passed, len(total.failed), len(total.skipped)))
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
