"""Each cause of a failure that a sidecar can give has a row in what `tullectl explain` says about it, and what it says exists."""
import glob
import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CAUSES = ("net/base/failure.cc", "sidecar/upstream/failures.cc", "sidecar/proxy/failures.cc")
STEPS = "control-plane/diagnosis/next_steps_table.cc"
VERDICT = "control-plane/diagnosis/verdict.cc"
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
    """By cause: all that its row says. Adjacent literals are one text."""
    rows_of_steps = re.findall(r"^    \{(\"[a-z_]+\",.*?)\},$", read(STEPS), re.M | re.S)
    return [(TEXT.findall(row)[0], " ".join(TEXT.findall(re.sub(r'"\s*\n\s*"', "", row))[1:])) for row in rows_of_steps]


def said():
    verdict = re.sub(r"^#include.*$", "", read(VERDICT), flags=re.M)
    return " ".join([text for _, text in steps()] + TEXT.findall(re.sub(r'"\s*\n\s*"', "", verdict)))


def all_of(pattern, *places):
    return {word for place in places for path in sorted(glob.glob(os.path.join(ROOT, place))) for word in re.findall(pattern, read(path))}


@pytest.mark.parametrize("path,least", list(zip(CAUSES, (25, 3, 12))))
def test_the_rows_are_found(path, least):
    assert len(rows(path)) >= least
    assert len(rows(path)) == len(re.findall(r"^(?:constinit const|constexpr) FailureFacts k", read(path), re.M)), path


def test_each_cause_has_a_next_step():
    assert causes() - {cause for cause, _ in steps()} == set()


def test_there_are_no_steps_for_unknown_causes():
    known = [cause for cause, _ in steps()]
    assert sorted(known) == sorted(set(known))
    assert set(known) - causes() == set()


def test_flags_and_commands_of_the_steps_exist():
    grammar = "control-plane/cli/grammar*.cc"
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said()))
    assert flags, "the pattern finds them"
    assert flags - all_of(r'"(?:-\w,)?(--[a-z][a-z-]*)', grammar, "sidecar/process/command_line.cc") == set()
    commands = set(re.findall(r"`?tullectl ([a-z-]+)", said()))
    assert "proxy-config" in commands, "the pattern finds them"
    assert commands - all_of(r'Add\(\s*\w+, "([a-z-]+)"', grammar) == set()


def test_fields_of_the_steps_exist():
    paths = set(re.findall(r"(?<![\w.])[a-z]\w*(?:\[\])?(?:\.[a-z]\w*(?:\[\])?)+", said()))
    assert {"spec.timeouts.request", "rules[].backendRefs"} <= paths, "the pattern finds them"
    fields = {field for path in paths for field in path.replace("[]", "").split(".")}
    assert fields - all_of(r'\{"([a-z]\w*)"', "control-plane/policy/*_fields.cc") - {"spec"} == set()
