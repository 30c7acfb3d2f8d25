"""The systemd units of docs/systemd: systemd takes them, and they fail closed."""
import glob
import os
import re
import shutil
import subprocess

import pytest

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "systemd")
NAMES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(FOLDER, "*.service")))


def unit(name):
    """{setting: [values]} without regard to sections: ours use no setting in two of them."""
    settings = {}
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        for line in file:
            if re.match(r"[A-Z]\w*=", line):
                key, value = line.strip().split("=", 1)
                settings.setdefault(key, []).append(value)
    return settings


def commands(settings):
    return {key: values for key, values in settings.items() if key.startswith("Exec")}


def test_there_are_units():
    assert "tulle-redirection.service" in NAMES and "tulle-sidecar@.service" in NAMES and "tulle-run@.service" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_systemd_takes_it(name, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: it comes with the package systemd")
    for each in NAMES:
        with open(os.path.join(FOLDER, each), encoding="utf-8") as file:
            # Our programs need not be installed where this runs.
            text = re.sub(r"/usr/bin/tulle[a-z-]*", shutil.which("true"), file.read())
        (tmp_path / each).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
                          capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_UNIT_PATH": "%s:" % tmp_path})
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr


def test_fault_80_the_rules_outlive_the_sidecar():
    """A sidecar that is dead, or never came up, means refused connections: only its own unit takes the rules away."""
    sidecar, redirection = unit("tulle-sidecar@.service"), unit("tulle-redirection.service")
    assert "tulle-init" not in str(commands(sidecar)), "it would run at each restart"
    assert sidecar["Requires"] == ["tulle-redirection.service"] and "tulle-redirection.service" in sidecar["After"][0].split()
    assert sidecar["Restart"] == ["always"] and sidecar["StartLimitIntervalSec"] == ["0"]
    assert redirection["Type"] == ["oneshot"] and redirection["RemainAfterExit"] == ["yes"]
    # ExecStop runs only after a start that succeeded, ExecStopPost after one that failed too.
    assert [key for key, values in commands(redirection).items() if "--remove" in str(values)] == ["ExecStop"]
    assert redirection["ExecStart"] == redirection["ExecReload"] and "--no-check" not in redirection["ExecStart"][0]
    assert "StopWhenUnneeded" not in redirection


def test_a_program_does_not_get_the_admins_credential():
    run = unit("tulle-run@.service")
    (start,) = run["ExecStart"]
    assert "credential-file" not in start and "CREDENTIAL=" not in str(run)
    assert run["LoadCredential"] == ["token:/etc/tulle/%i.token"] and "--token-file ${CREDENTIALS_DIRECTORY}/token" in start
    assert "--control $CONTROL" in start, "without a server it knows none"
