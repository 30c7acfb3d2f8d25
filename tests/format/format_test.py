"""C++ is formatted by clang-format 14 with the .clang-format of the root; Python passes flake8 with the .flake8 there."""
import os
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def listed(*patterns):
    """Files that git knows or would add, relative to the root."""
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
                           cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return sorted(f for f in set(names) if f and os.path.isfile(os.path.join(ROOT, f)))


def python_sources():
    """*.py, and scripts that say so in their first line."""
    found = listed("*.py")
    for name in listed("scripts", "tests"):
        if "." not in os.path.basename(name):
            with open(os.path.join(ROOT, name), "rb") as file:
                first = file.readline()
            if first.startswith(b"#!") and b"python" in first:
                found.append(name)
    return found


def test_clang_format():
    if not shutil.which("clang-format-14"):
        pytest.skip("clang-format-14 is not installed: scripts/install-packages")
    files = [f for f in listed("*.cc", "*.h") if not f.startswith("third_party/")]
    assert files, "no sources were found"
    done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    assert done.returncode == 0, "run: scripts/format " + " ".join(wrong)


def test_python_lint():
    files = python_sources()
    assert "scripts/tidy" in files and "tests/format/format_test.py" in files
    done = subprocess.run(["/usr/bin/python3", "-m", "flake8", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_tabs_or_trailing_blanks_in_scripts():
    wrong = []
    for name in listed("*.py", "*.sh", "*.bazel", "*.bzl", "*.md"):
        with open(os.path.join(ROOT, name), encoding="utf-8") as file:
            wrong += ["%s:%d" % (name, n) for n, line in enumerate(file, 1) if line.rstrip("\n") != line.rstrip("\n").rstrip()]
    assert not wrong, "blanks at the end of a line:\n" + "\n".join(wrong)
