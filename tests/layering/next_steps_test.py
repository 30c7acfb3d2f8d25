"""Each cause of a failure that a sidecar can give has a row in what `tullectl explain` says about it."""
import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAUSES = ("net/base/failure.cc", "sidecar/upstream/failures.cc", "sidecar/proxy/failures.cc")
STEPS = "control-plane/diagnosis/next_steps_table.cc"
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def rows(path):
    """The texts of each FailureFacts of a file: flag, cause, body, detail."""
    return [TEXT.findall(body) for body in re.findall(r"FailureFacts k\w+\{([^;]*)\};", read(path))]


def causes():
    return {row[1] for path in CAUSES for row in rows(path)} - {"none"}


def steps():
    return [TEXT.findall(row)[0] for row in re.findall(r"^    \{(\"[a-z_]+\",.*?)\},$", read(STEPS), re.M | re.S)]


@pytest.mark.parametrize("path,least", list(zip(CAUSES, (25, 3, 12))))
def test_the_rows_are_found(path, least):
    assert len(rows(path)) >= least
    assert len(rows(path)) == len(re.findall(r"^(?:constinit const|constexpr) FailureFacts k", read(path), re.M)), path


def test_each_cause_has_a_next_step():
    assert causes() - set(steps()) == set()


def test_there_are_no_steps_for_unknown_causes():
    assert sorted(steps()) == sorted(set(steps()))
    assert set(steps()) - causes() == set()
