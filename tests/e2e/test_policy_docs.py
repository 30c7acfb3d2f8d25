"""docs/policies.md: its examples are valid, and its tables are those of the parser."""
import os
import re
import subprocess

import pytest

import processes

PAGE = os.path.join(processes.ROOT, "docs", "policies.md")
KINDS = ["HTTPRoute", "GRPCRoute", "ResiliencePolicy", "AuthorizationPolicy", "PeerAuthentication", "TelemetryPolicy", "ExternalService", "EgressPolicy"]


def page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def sections():
    """kind -> the text below its heading."""
    parts = re.split(r"^## (\w+)\n", page(), flags=re.M)
    return {kind: text for kind, text in zip(parts[1::2], parts[2::2])}


EXAMPLES = [(kind, number, block) for kind, text in sections().items()
            for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S))]


def test_each_kind_has_an_example_of_its_own():
    assert len(re.findall(r"^```yaml$", page(), re.M)) == len(EXAMPLES), "an example is outside of the kinds' sections"
    for kind in KINDS:
        blocks = [block for of, _, block in EXAMPLES if of == kind]
        assert blocks and all("kind: %s\n" % kind in block for block in blocks), kind


@pytest.mark.parametrize("kind,number,block", EXAMPLES, ids=["%s-%d" % (kind, number) for kind, number, _ in EXAMPLES])
def test_the_example_is_valid(kind, number, block):
    tullectl = processes.binary("control-plane/cli/tullectl")
    assert tullectl, "bazel build //control-plane/cli:tullectl"
    done = subprocess.run([tullectl, "validate", "-f", "-"], input=block, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, "%s %d: %s" % (kind, number, done.stderr)
    count = block.count("apiVersion: ")
    assert done.stdout == ("1 policy is valid\n" if count == 1 else "%d policies are valid\n" % count)


def test_the_tables_are_those_of_the_parser():
    """The page's tables of fields are made from the parser's own."""
    for kind in KINDS:
        assert "<!-- fields of %s -->" % kind in page(), kind
    reference = processes.binary("control-plane/policy/policy_reference")
    assert reference, "bazel build //control-plane/policy:policy_reference"
    done = subprocess.run([reference, "--check", PAGE], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
