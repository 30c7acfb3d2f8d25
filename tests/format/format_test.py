"""Our C++ is formatted by clang-format 14 with the .clang-format of the root."""
import os
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_clang_format():
    if not shutil.which("clang-format-14"):
        pytest.skip("clang-format-14 is not installed: scripts/install-packages")
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.cc", "*.h"],
                            cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    files = sorted(f for f in set(listed) if f and not f.startswith("third_party/") and os.path.exists(os.path.join(ROOT, f)))
    assert files, "no sources were found"
    done = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "error:" in line})
    assert done.returncode == 0, "run: clang-format-14 -i " + " ".join(wrong)


def test_no_tabs_or_trailing_blanks_in_scripts():
    listed = subprocess.run(["git", "ls-files", "-z", "*.py", "*.sh", "*.bazel", "*.bzl", "*.md"],
                            cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    wrong = []
    for name in filter(None, listed):
        path = os.path.join(ROOT, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                wrong += ["%s:%d" % (name, n) for n, line in enumerate(file, 1) if line.rstrip("\n") != line.rstrip("\n").rstrip()]
    assert not wrong, "blanks at the end of a line:\n" + "\n".join(wrong)
