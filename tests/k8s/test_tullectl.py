"""tullectl with nothing but a kubeconfig, against a real API server: who may do what, and what each error names."""
import json
import os
import subprocess

import pytest

from on_host import Mesh
from processes import binary, wait_until

VIEWER_RIGHT = "kubectl auth can-i create serviceaccounts/tulle-viewer --subresource=token -n tulle-system"
PLUGIN = """#!/bin/sh
# Prints a token if the profile is right, and notes what it was told.
printf '%%s' "$KUBERNETES_EXEC_INFO" > %(folder)s/info
[ "$PROFILE" = dev ] || { echo "log in first" >&2; exit 3; }
echo "{\\"kind\\":\\"ExecCredential\\",\\"apiVersion\\":\\"client.authentication.k8s.io/v1\\",\\"status\\":{\\"token\\":\\"$(cat %(folder)s/token)\\"}}"
"""


class Person:
    """Someone with a kubeconfig."""

    def __init__(self, cluster, config):
        self.cluster = cluster
        self.config = config

    def run(self, *arguments, stdin=None, **variables):
        """Whatever the machine has for kubeconfigs is out of sight."""
        argv = self.cluster.namespace.argv(binary("control-plane/cli/tullectl"), *arguments)
        env = {"HOME": self.cluster.folder, "PATH": os.environ["PATH"], "KUBECONFIG": self.config, **variables}
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, env=env)

    def says(self, *arguments, **more):
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *arguments, code=1, **more):
        done = self.run(*arguments, **more)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr


def config_of(cluster, name, user, context="there", ns="shop", server=None, current=None):
    """A kubeconfig of one context; returns its path."""
    path = cluster.path(name + ".kubeconfig")
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": context if current is None else current,
        "contexts": [{"name": context, "context": {"cluster": "c-" + name, "user": "u-" + name, "namespace": ns}}],
        "clusters": [{"name": "c-" + name, "cluster": {"server": server or cluster.server,
                                                       "certificate-authority": cluster.credentials.path("ca.crt")}}],
        "users": [{"name": "u-" + name, "user": user}],
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file)
    return path


def bind(cluster, role, user, kind="Role", namespace="tulle-system"):
    group = "rbac.authorization.k8s.io"
    cluster.apply({"apiVersion": group + "/v1", "kind": "RoleBinding", "metadata": {"name": user + "-" + role, "namespace": namespace},
                   "roleRef": {"apiGroup": group, "kind": kind, "name": role},
                   "subjects": [{"apiGroup": group, "kind": "User", "name": user}]})


def token_of(cluster, account, namespace):
    return cluster.kubectl("-n", namespace, "create", "token", account).strip()


def test_a_cluster_without_tulle_says_so(control):
    admin = Person(control, control.admin)
    error = admin.fails("status")
    assert "Tulle is not installed in this cluster" in error and "tullectl install" in error
    assert "context test of " + control.admin in error
    error = admin.fails("get", "rp")
    assert "does not serve resiliencepolicies of tulle.dev/v1alpha1" in error


@pytest.fixture(scope="module", name="mesh")
def fixture_mesh(control):
    made = Mesh(control)
    admin = Person(control, control.admin)
    # The API server learns of the Service's endpoints later.
    wait_until(lambda: admin.run("status").returncode == 0, "tulle-control is not reached: " + admin.run("status").stderr)
    return made


@pytest.fixture(scope="module", name="ann")
def fixture_ann(mesh):
    """May read, by a client certificate; and write the policies of her namespace."""
    bind(mesh.cluster, "tulle-viewer", "ann")
    bind(mesh.cluster, "tulle-edit", "ann", "ClusterRole", "shop")
    bind(mesh.cluster, "tulle-view", "ann", "ClusterRole", "shop")
    return Person(mesh.cluster, mesh.cluster.credentials.client("ann", "ann"))


def test_a_viewer_reads_and_changes_nothing(mesh, ann):
    assert "tulle-control" in ann.says("services", "-A")
    assert "credential accepted" in ann.run("check").stdout
    error = ann.fails("credential", "create", "mine")
    assert "permission denied" in error and "serviceaccounts/tulle-admin --subresource=token" in error
    assert "create rolebinding NAME --role=tulle-admin" in error
    bind(mesh.cluster, "tulle-admin", "ann")
    wait_until(lambda: ann.run("credential", "create", "mine").returncode == 0, "an admin may not change anything")
    mesh.cluster.kubectl("-n", "tulle-system", "delete", "rolebinding", "ann-tulle-admin")


def test_who_has_no_rights_is_told_which_one_is_missing(mesh):
    bob = Person(mesh.cluster, mesh.cluster.credentials.client("bob", "bob"))
    error = bob.fails("status")
    assert "permission denied: you may not request a token" in error and VIEWER_RIGHT in error
    error = bob.fails("get", "rp", "-n", "shop")
    assert "cannot list resource" in error and "kubectl auth can-i list resiliencepolicies.tulle.dev -n shop" in error


def test_tokens_of_other_accounts_are_refused_and_counted(mesh):
    """The control plane decides by the account, not by whoever may use the proxy."""
    token = mesh.cluster.kubectl("-n", "tulle-system", "create", "token", "tulle-control", "--audience", "tulle-control").strip()
    for wrong, status in ((token, "403"), (token_of(mesh.cluster, "tulle-viewer", "tulle-system"), "401"), ("nonsense", "401"), ("", "401")):
        argv = ["curl", "-sk", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "-H", "x-tulle-token: " + wrong,
                "https://%s:15016/v1/proxies" % mesh.cluster.address]
        assert subprocess.run(mesh.cluster.namespace.argv(*argv), capture_output=True, text=True, check=True).stdout == status
    assert 'tulle_control_api_token_reviews_total{result="refused"} 3' in mesh.http("127.0.0.1:15014/metrics")
    assert "refused a call of the API: the service account tulle-system/tulle-control" in mesh.control.log()
    assert token not in mesh.control.log()


def test_an_exec_plugin_gives_the_credentials(mesh):
    cluster = mesh.cluster
    cluster.kubectl("-n", "shop", "create", "serviceaccount", "robot")
    cluster.kubectl("-n", "tulle-system", "create", "rolebinding", "robot", "--role=tulle-viewer", "--serviceaccount=shop:robot")
    folder = cluster.path("plugin")
    os.makedirs(folder)
    with open(folder + "/token", "w", encoding="utf-8") as file:
        file.write(token_of(cluster, "robot", "shop"))
    with open(folder + "/login", "w", encoding="utf-8") as file:
        file.write(PLUGIN % {"folder": folder})
    os.chmod(folder + "/login", 0o755)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "plugin/login", "interactiveMode": "Never",
              "env": [{"name": "PROFILE", "value": "dev"}], "provideClusterInfo": True, "installHint": "get the plugin"}
    robot = Person(cluster, config_of(cluster, "robot", {"exec": plugin}))
    assert "tulle-control" in robot.says("services", "-A")
    with open(folder + "/info", encoding="utf-8") as file:
        info = json.load(file)
    assert info["spec"]["interactive"] is False and info["spec"]["cluster"]["server"] == cluster.server
    plugin["env"] = []
    error = Person(cluster, config_of(cluster, "robot", {"exec": plugin})).fails("status")
    assert "log in first" in error and "failed with exit code 3" in error and "get the plugin" in error
    plugin["command"] = "no-such-plugin"
    error = Person(cluster, config_of(cluster, "robot", {"exec": plugin})).fails("status")
    assert "the credential plugin no-such-plugin of the kubeconfig cannot be started: No such file" in error


def test_contexts_and_namespaces_are_those_of_kubectl(mesh):
    cluster = mesh.cluster
    token = {"token": token_of(cluster, "robot", "shop")}
    first = config_of(cluster, "one", token, "one", current="")
    second = config_of(cluster, "two", token, "two", ns="tulle-system")
    both = Person(cluster, first + ":" + cluster.path("none") + ":" + second)
    assert both.says("config", "get-contexts", "-o", "name").split() == ["one", "two"]
    assert "tulle-control" in both.says("services")
    assert "tulle-control" not in both.run("services", "--context", "one").stdout
    assert "tulle-control" in both.says("services", "--context", "one", "-n", "tulle-system")
    error = both.fails("status", "--context", "tow")
    assert "context tow not found" in error and "two" in error
    assert "tulle-control" in both.says("--kubeconfig", second, "services")
    assert "tulle-system" in both.says("get", "namespaces", "-o", "name").split()


def test_an_api_server_that_does_not_answer_or_refuses_is_named(mesh):
    cluster = mesh.cluster
    away = Person(cluster, config_of(cluster, "away", {"token": "x"}, server="https://%s:1" % cluster.address))
    error = away.fails("status")
    assert "cannot connect to the API server https://%s:1" % cluster.address in error
    assert "context there of" in error and "--context" in error
    error = Person(cluster, config_of(cluster, "late", {"token": "expired"})).fails("status")
    assert "rejected the credentials: HTTP status 401" in error and "kubectl auth whoami" in error
    error = Person(cluster, "/none").fails("status")
    assert "no control plane configured, and no kubeconfig found" in error


POLICY = """
apiVersion: tulle.dev/v1alpha1
kind: ResiliencePolicy
metadata: {name: %s}
spec: {targetRef: {kind: Service, name: web}, timeouts: {request: %s}}
"""


def test_policies_go_to_the_api_server_with_the_users_own_rights(mesh, ann):
    assert ann.says("apply", "-n", "shop", "-f", "-", stdin=POLICY % ("slow", "3s")) == "resiliencepolicy/slow created\n"
    found = mesh.cluster.get("-n", "shop", "rp", "slow", "--show-managed-fields")
    assert "tullectl" in {entry["manager"] for entry in found["metadata"]["managedFields"]}
    assert "unchanged" in ann.says("apply", "-n", "shop", "-f", "-", stdin=POLICY % ("slow", "3s"))
    assert "True" in ann.says("get", "rp", "-n", "shop").splitlines()[1]
    difference = ann.run("diff", "-n", "shop", "-f", "-", stdin=POLICY % ("slow", "4s"))
    assert difference.returncode == 1 and '-    request: "3s"' in difference.stdout.replace("'", '"'), difference.stdout
    assert "changed (dry run)" in ann.says("apply", "--dry-run", "-n", "shop", "-f", "-", stdin=POLICY % ("slow", "4s"))
    error = ann.fails("apply", "-n", "shop", "-f", "-", stdin=POLICY % ("younger", "5s"))
    assert "resiliencepolicy/younger is stored, and not in force: Conflicted" in error
    error = ann.fails("apply", "-n", "tulle-system", "-f", "-", stdin=POLICY % ("slow", "3s"))
    assert "cannot" in error and "kubectl auth can-i" in error
    error = ann.fails("apply", "-n", "shop", "-f", "-", stdin=POLICY % ("slow", "soon"))
    assert 'invalid duration "soon"' in error
    assert "deleted" in ann.says("delete", "rp", "slow", "younger", "-n", "shop")
    assert "not found: resiliencepolicy/slow" in ann.fails("delete", "rp", "slow", "-n", "shop")


def test_fields_of_others_are_not_taken_without_saying_so(mesh, ann):
    mesh.cluster.kubectl("-n", "shop", "apply", "--server-side", "-f", "-", stdin=POLICY % ("shared", "3s"))
    error = ann.fails("apply", "-n", "shop", "-f", "-", stdin=POLICY % ("shared", "4s"))
    assert "conflict" in error and "--force-conflicts" in error
    assert "changed" in ann.says("apply", "--force-conflicts", "-n", "shop", "-f", "-", stdin=POLICY % ("shared", "4s"))
    ann.says("delete", "rp", "shared", "-n", "shop")


def test_an_admin_rotates_the_root(mesh):
    """Its new root is not what the API server's certificate is verified with."""
    admin = Person(mesh.cluster, mesh.cluster.admin)
    assert "new root" in admin.says("cert", "rotate")


def test_an_installation_says_what_hinders_it_and_is_deleted_after_a_question(mesh):
    """The last test: there is no node for the control plane's pods, and the definitions go."""
    cluster = mesh.cluster
    admin = Person(cluster, cluster.admin)
    assert "✓ version of Kubernetes: v1." in admin.says("check", "--pre")
    bob = Person(cluster, cluster.credentials.client("bob", "bob"))
    assert "you may not create customresourcedefinition/" in bob.run("check", "--pre").stdout
    error = bob.fails("install", "--apply")
    assert "kubectl auth can-i patch customresourcedefinitions.apiextensions.k8s.io" in error
    wait_until(lambda: "not scheduled: no nodes available" in admin.fails("install", "--apply", "--wait", "1"),
               "it does not say that no node is there")
    assert "× Deployment tulle-control" in admin.run("check").stdout
    assert "shop. Remove it and restart their workloads first" in admin.fails("uninstall", "--apply", stdin="no\n")
    assert "clusterrole/tulle-control deleted" in admin.says("uninstall", "--apply", "--yes")
    wait_until(lambda: not cluster.get("crd", "-l", "app.kubernetes.io/part-of=tulle")["items"], "the definitions are still there")
