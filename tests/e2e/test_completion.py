"""Completion as bash does it: what is offered after some words."""
import os
import shlex
import subprocess

import pytest

from mesh import Mesh

POLICY = """\
apiVersion: tulle.dev/v1alpha1
kind: PeerAuthentication
metadata: {name: %s, namespace: %s}
spec: {targetRef: {kind: Namespace}, mode: PERMISSIVE}
"""


@pytest.fixture
def mesh(tmp_path):
    made = Mesh(tmp_path)
    made.tullectl("config", "set-context", "here", "--credential-file", os.path.join(made.data, "admin.json"))
    made.tullectl("config", "set-context", "far", "--server", "mesh.example")
    made.tullectl("apply", "-f", "-", text="---\n".join([POLICY % ("one", "default"), POLICY % ("two", "shop")]))
    yield made
    made.close()


def offered(mesh, *words):
    """The last word is the one under the cursor."""
    tullectl = mesh.binary("control-plane/cli/tullectl")
    script = ("source <(tullectl completion bash); COMP_WORDS=(tullectl %s); COMP_CWORD=%d; _tullectl 2>/dev/null; printf '%%s\\n' \"${COMPREPLY[@]}\""
              % (" ".join(shlex.quote(word) for word in words), len(words)))
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60,
                          env={**os.environ, "HOME": mesh.folder, "PATH": os.path.dirname(tullectl) + ":" + os.environ["PATH"]})
    return done.stdout.split()


def test_words_come_from_the_grammar_and_from_the_mesh(mesh):
    assert offered(mesh, "--context", "") == ["here", "far"]
    assert offered(mesh, "config", "use-context", "f") == ["far"]
    assert offered(mesh, "get", "-n", "") == ["default", "shop"]
    assert offered(mesh, "token", "create", "-o", "") == ["table", "raw", "json", "yaml"]
    assert offered(mesh, "status", "-o", "w") == ["wide"]
    assert offered(mesh, "get", "peerauthentication", "") == ["one"]
    assert offered(mesh, "describe", "peerauthentication", "") == ["one"]
    assert offered(mesh, "describe", "serv") == ["service"]
    # What an option is given is no kind and no command.
    assert offered(mesh, "--context", "here", "get", "-o", "name", "peerauthentication", "") == ["one"]
    assert offered(mesh, "help", "tok") == ["token"]
    assert offered(mesh, "token", "create", "--ttl", "") == []
