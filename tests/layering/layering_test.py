"""Checks what Bazel cannot: direct dependencies, the layer table of docs/architecture.md, budgets and banned words."""
import glob
import os
import re
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SOURCE_FOLDERS = ("sidecar", "control-plane", "xds", "certs", "k8s", "net", "telemetry", "tests")
FILE_LINES = 600
FUNCTION_LINES = 60
# Long by nature: one row a line.
TABLES = re.compile(r"(_table|_tables|_fields|_list)\.(cc|h|inc)$|^net/http1/reason\.cc$")
# Both libraries ask for memory without saying for whom: their hooks look up the thread's slab (docs/architecture.md).
THREAD_LOCAL_ALLOWED = re.compile(r"^net/tls/memory\.cc$")
BANNED_IN_TYPES = ("Manager", "Helper", "Util", "Utils", "Impl", "Common", "Base", "Context", "Info", "Data")
# Assembled, so that this file does not contain what it looks for.
PRIVATE_WORDS = ["/" + "work/", "pypi" + ".org", "deb.debian" + ".org", "proxy.golang" + ".org", "crates" + ".io", "artifactory"]


def tracked(*patterns):
    """Files of the tree, relative: what git knows or would add."""
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
                         cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return sorted(f for f in set(out.split("\0")) if f and os.path.isfile(os.path.join(ROOT, f)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def sources():
    return [f for f in tracked("*.cc", "*.h") if f.split("/")[0] in SOURCE_FOLDERS]


def is_test(path):
    return path.startswith("tests/") or bool(re.search(r"_(test|fuzz|benchmark)\.cc$|_for_test\.|(^|/)fake_|/testing/", path))


# --- The packages: BUILD files are Python enough to be run with stand-ins for the rules. ---

class Rules(dict):
    """The names a BUILD file may use: any unknown one is a rule that records its arguments."""

    def __init__(self, package):
        super().__init__()
        self.package = package
        self.targets = []
        # Looked up here first, hence not left to __missing__.
        for known in (sorted, dict, len, range, list, str, zip, enumerate):
            self[known.__name__] = known
        self["glob"] = self.glob
        self["select"] = lambda choices: [x for value in choices.values() for x in value]
        self["package_name"] = lambda: package

    def glob(self, include, exclude=(), **_):
        folder = os.path.join(ROOT, self.package)
        found = set()
        for pattern in include:
            found |= {os.path.relpath(f, folder) for f in glob.glob(os.path.join(folder, pattern), recursive=True) if os.path.isfile(f)}
        for pattern in exclude:
            found -= {os.path.relpath(f, folder) for f in glob.glob(os.path.join(folder, pattern), recursive=True)}
        return sorted(found)

    def __missing__(self, kind):
        def record(*_, **arguments):
            if "name" in arguments:
                self.targets.append({"kind": kind, **arguments})
        return record


def label(text, package):
    """An absolute label //package:name; labels of other repositories stay as they are."""
    if text.startswith("@"):
        return text
    if text.startswith(":"):
        return "//%s%s" % (package, text)
    if text.startswith("//"):
        path = text[2:]
        return text if ":" in path else "//%s:%s" % (path, path.split("/")[-1])
    return "//%s:%s" % (package, text)


@pytest.fixture(scope="module")
def targets():
    """label -> target, of all our packages."""
    found = {}
    for build in tracked("BUILD.bazel", "**/BUILD.bazel"):
        package = os.path.dirname(build)
        if package.startswith("third_party"):
            continue
        rules = Rules(package)
        exec(compile(read(build), build, "exec"), rules)  # pylint: disable=exec-used
        for target in rules.targets:
            target["package"] = package
            target["files"] = [label(f, package) for key in ("srcs", "hdrs", "textual_hdrs", "outs") for f in target.get(key) or []]
            target["needs"] = {label(d, package) for d in target.get("deps") or []}
            found["//%s:%s" % (package, target["name"])] = target
    return found


def path_of(file_label):
    package, _, name = file_label[2:].partition(":")
    return os.path.join(package, name)


def includes(path):
    return re.findall(r'^#include "([^"]+)"', read(path), re.M)


def header_owners(targets):
    """header path -> the labels of the targets that offer it."""
    owners = {}
    for name, target in targets.items():
        for key in ("hdrs", "textual_hdrs", "srcs", "outs"):
            for file in target.get(key) or []:
                owners.setdefault(path_of(label(file, target["package"])), set()).add(name)
    return owners


def reexported(targets, needs):
    """What may be included by a target with these deps: the deps, and where a dep is an alias or has no files, its deps."""
    seen = set()
    todo = list(needs)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        target = targets.get(name)
        if target and target.get("actual"):
            todo.append(label(target["actual"], target["package"]))
        elif target and not target["files"]:
            todo += target["needs"] | {label(d, target["package"]) for d in target.get("exports") or []}
    return seen


def test_each_included_header_is_a_declared_dependency(targets):
    owners = header_owners(targets)
    wrong = []
    for name, target in targets.items():
        may = reexported(targets, target["needs"]) | {name}
        # Generated headers (protobuf) have no file here: a dependency on their package is asked for.
        packages = {n[2:].partition(":")[0] for n in may if n.startswith("//")} | {target["package"]}
        for file in map(path_of, (f for f in target["files"] if f.startswith("//"))):
            if not file.endswith((".cc", ".h")) or not os.path.isfile(os.path.join(ROOT, file)):
                continue
            for header in includes(file):
                if header.endswith(".pb.h"):
                    if not any(header.startswith(p + "/") for p in packages):
                        if header.split("/")[0] in SOURCE_FOLDERS:
                            wrong.append("%s includes %s: %s has no dependency in that package" % (file, header, name))
                elif header in owners:
                    if not owners[header] & may:
                        wrong.append("%s includes %s: add %s to the deps of %s" % (file, header, " or ".join(sorted(owners[header])), name))
                elif header.split("/")[0] in SOURCE_FOLDERS and "/" in header:
                    wrong.append("%s includes %s, which no target offers" % (file, header))
    assert not wrong, "\n" + "\n".join(sorted(set(wrong)))


def test_each_source_file_belongs_to_a_target(targets):
    known = {path_of(f) for t in targets.values() for f in t["files"] if f.startswith("//")}
    lost = [f for f in sources() if f not in known]
    assert not lost, "in no BUILD.bazel:\n" + "\n".join(lost)


# --- The layers. ---

def layer_table():
    """folder -> (rank, layer, folders of the same row it may use), from docs/architecture.md."""
    table = {}
    rows = re.findall(r"^\| *(\d+) *\| *([^|]+?) *\| *([^|]+?) *\| *([^|]*?) *\|", read("docs/architecture.md"), re.M)
    for rank, layer, folders, inside in rows:
        edges = {}
        for edge in filter(None, re.split(r"[;,]", inside.replace("`", ""))):
            if "→" in edge:
                source, _, goals = edge.partition("→")
                edges.setdefault(source.strip(), set()).update(goals.split())
        for folder in re.findall(r"`([^`]+)`", folders):
            table[folder] = (int(rank), layer, edges.get(folder, set()))
    return table


def layer_of(package, table):
    """The row of a package: its own, or that of the folder it is in."""
    while package:
        if package in table:
            return package
        package = os.path.dirname(package)
    return None


def test_the_table_is_there():
    table = layer_table()
    assert len(table) >= 10, "docs/architecture.md has lost its layer table"
    for folder, (_, _, inside) in table.items():
        for goal in inside:
            assert goal in table, "%s → %s: no such folder in the table" % (folder, goal)


def test_each_folder_of_the_table_is_there_or_reserved():
    reserved = set(re.findall(r"`([^`]+)`", re.search(r"do not exist yet are reserved: ([^\n]*)", read("docs/architecture.md")).group(1)))
    there = {folder for folder in layer_table() if os.path.isdir(os.path.join(ROOT, folder))}
    assert set(layer_table()) == there | reserved and not there & reserved, (set(layer_table()) - there - reserved, there & reserved)


def test_includes_point_down():
    table = layer_table()
    wrong = []
    for file in sources():
        if is_test(file):
            continue
        package = os.path.dirname(file)
        own = layer_of(package, table)
        if own is None:
            wrong.append("%s: the folder is not in the layer table of docs/architecture.md" % package)
            continue
        rank, _, inside = table[own]
        for header in includes(file):
            goal = layer_of(os.path.dirname(header), table)
            if goal is None or goal == own:
                continue
            if table[goal][0] > rank:
                wrong.append("%s includes %s: up, from %s (%d) to %s (%d)" % (file, header, own, rank, goal, table[goal][0]))
            elif table[goal][0] == rank and goal not in inside:
                wrong.append("%s includes %s: %s may not use its neighbour %s" % (file, header, own, goal))
    assert not wrong, "\n" + "\n".join(sorted(set(wrong)))


def test_sidecar_and_control_plane_do_not_know_each_other():
    wrong = []
    for file in sources():
        if is_test(file):
            continue
        side = file.split("/")[0]
        other = {"sidecar": "control-plane/", "control-plane": "sidecar/"}.get(side)
        wrong += ["%s includes %s" % (file, h) for h in includes(file) if other and h.startswith(other)]
    assert not wrong, "\n" + "\n".join(wrong)


# --- Words and sizes. ---

def code_only(text):
    """The text without comments and string contents, line numbers kept."""
    blank = lambda match: re.sub(r"[^\n]", " ", match.group(0))
    text = re.sub(r'R"([^(\s]*)\(.*?\)\1"', blank, text, flags=re.S)
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def test_banned_words():
    wrong = []
    for file in sources():
        text = code_only(read(file))
        if re.search(r"\babsl::Mutex|absl/synchronization", read(file)) and not file.startswith("tests/layering"):
            wrong.append("%s: absl's Mutex: use std::mutex, ThreadSanitizer cannot see into the other" % file)
        if re.search(r"\bthread_local\b", text) and not THREAD_LOCAL_ALLOWED.search(file):
            wrong.append("%s: thread_local: hang the state on the worker" % file)
        if re.search(r"\b(co_await|co_return|co_yield)\b", text):
            wrong.append("%s: a coroutine (docs/decisions/0001)" % file)
        for name in re.findall(r"^\s*(?:class|struct|enum class|enum)\s+(?:\[\[\w+\]\]\s*)?(\w+)\s*(?:final\s*)?[:{]", text, re.M):
            words = re.findall(r"[A-Z][a-z0-9]*", name)
            bad = [w for w in words if w in BANNED_IN_TYPES]
            if bad:
                wrong.append("%s: type %s: '%s' says nothing" % (file, name, bad[0]))
    assert not wrong, "\n" + "\n".join(wrong)


def test_nothing_of_the_builders_machine():
    wrong = []
    for file in tracked():
        if file.startswith("tests/layering/"):
            continue
        text = read(file)
        wrong += ["%s mentions %s" % (file, word) for word in PRIVATE_WORDS if word in text]
    assert not wrong, "\n" + "\n".join(wrong)


def test_file_sizes():
    long = [(len(read(f).splitlines()), f) for f in sources() if not is_test(f) and not TABLES.search(f)]
    wrong = ["%s has %d lines" % (f, n) for n, f in long if n > FILE_LINES]
    assert not wrong, "at most %d:\n" % FILE_LINES + "\n".join(wrong)


def long_functions(text):
    """(first line, length, what) of the functions at namespace level that are too long; relies on clang-format's layout:
    what such a function consists of is indented, but for its first lines and its closing brace."""
    found = []
    start = None
    before = ""
    for number, line in enumerate(code_only(text).splitlines(), 1):
        if re.match(r"[A-Za-z_~\[]", line):
            if start is None or not re.match(r"[A-Za-z_~\[]", before):
                start = (number, line.strip())
        elif line.rstrip() == "}":
            if start and number - start[0] + 1 > FUNCTION_LINES:
                found.append((start[0], number - start[0] + 1, start[1]))
            start = None
        elif line.startswith("}"):
            start = None  # A type or a table.
        before = line
    return found


def test_function_sizes():
    wrong = []
    for file in sources():
        if not is_test(file) and not TABLES.search(file):
            wrong += ["%s:%d: %d lines: %s" % (file, at, n, what) for at, n, what in long_functions(read(file))]
    assert not wrong, "at most %d lines:\n" % FUNCTION_LINES + "\n".join(wrong)


def test_the_length_of_a_function_is_seen():
    body = "void F(int a) {\n" + "  G(a);\n" * (FUNCTION_LINES + 1) + "}\n"
    assert long_functions("namespace x {\n\n" + body + "}  // namespace x\n")
    assert not long_functions("void F(int a) {\n  G(a);\n}\n")
    rows = "const Row kRows[]{\n" + "  {1},\n" * (FUNCTION_LINES + 1) + "};\n"
    assert not long_functions(rows + "\nvoid F() {\n}\n")


def test_packages_are_private_by_default():
    wrong = [b for b in tracked("**/BUILD.bazel") if not b.startswith("third_party/") and "default_visibility" not in read(b)]
    assert not wrong, "say package(default_visibility = [\"//visibility:private\"]):\n" + "\n".join(wrong)


def test_each_fault_of_the_list_has_a_test():
    done = subprocess.run([os.path.join(ROOT, "scripts", "faults")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_operators_of_access_logs_are_documented():
    table = re.findall(r'\{"([A-Z_0-9]+)", (k\w+)', read("telemetry/access_log_operators.cc"))
    assert len(table) > 40, "the table of operators has moved"
    text = read("docs/envoy-differences.md")
    stem = "_WITHOUT_PORT"
    missing = [name for name, op in table if op != "kAlwaysAbsent" and "`%s`" % (name[:-len(stem)] if name.endswith(stem) else name) not in text]
    assert not missing, "not in docs/envoy-differences.md: %s" % ", ".join(missing)
