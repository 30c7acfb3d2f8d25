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


def unwrapped(text):
    """Without the line ends of a narrow terminal."""
    return " ".join(text.split())


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
    error = ann.fails("token", "create", "--service", "web")
    assert "permission denied" in error and "serviceaccounts/tulle-admin --subresource=token" in error
    assert "create rolebinding NAME --role=tulle-admin" in error
    bind(mesh.cluster, "tulle-admin", "ann")
    wait_until(lambda: ann.run("token", "create", "--service", "web").returncode == 0, "an admin may not change anything")
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
    assert both.says("config", "current-context") == "two\n"
    assert "tulle-control" in both.says("-n", "tulle-system", "services", "--context", "one")
    own = cluster.path("own-config")
    assert "Switched" in both.says("config", "use-context", "one", TULLECTL_CONFIG=own)
    assert both.says("config", "current-context", TULLECTL_CONFIG=own) == "one\n"
    assert "tulle-control" not in both.run("services", TULLECTL_CONFIG=own).stdout
    assert "kubectl config set-context" in both.fails("config", "set-context", "x", "--kubeconfig", first, TULLECTL_CONFIG=own)


def test_an_api_server_that_does_not_answer_or_refuses_is_named(mesh):
    cluster = mesh.cluster
    away = Person(cluster, config_of(cluster, "away", {"token": "x"}, server="https://%s:1" % cluster.address))
    error = away.fails("status")
    assert "cannot connect to the API server https://%s:1" % cluster.address in error
    assert "context there of" in error and "--context" in error
    error = Person(cluster, config_of(cluster, "late", {"token": "expired"})).fails("status")
    assert "rejected the credentials: HTTP status 401" in error and "kubectl auth whoami" in error
    error = Person(cluster, "/none").fails("status")
    assert "kubeconfig /none of $KUBECONFIG not found" in error and "--kubeconfig FILE" in error


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
    assert "resiliencepolicy/younger is stored, but not accepted: Conflicted" in error
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


def test_a_missing_target_is_named_until_it_exists(mesh, ann):
    done = ann.run("-n", "shop", "apply", "-f", "-", stdin=(POLICY % ("early", "3s")).replace("web}", "late}"))
    assert done.returncode == 0, done.stderr
    assert "is accepted, but: TargetNotFound: Service shop/late not found" in done.stderr
    assert "True, TargetNotFound" in ann.says("-n", "shop", "get", "rp", "early")
    assert "ResiliencePolicy shop/early spec.targetRef: Service shop/late not found" in unwrapped(ann.run("check").stdout)
    mesh.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "late", "namespace": "shop"},
                        "spec": {"ports": [{"name": "http", "port": 80}]}})
    mesh.cluster.kubectl("-n", "shop", "wait", "--for=condition=ResolvedRefs", "--timeout=30s", "rp/early")
    assert "shop/early" not in ann.run("check").stdout


def test_routes_that_are_not_in_force_are_in_the_check(mesh, ann, gateway_api):
    mesh.cluster.kubectl("apply", "--server-side", "-f", gateway_api)
    wait_until(lambda: "httproutes" in mesh.control.log(), "tulle-control does not read routes", 60)
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "lost", "namespace": "shop"}}
    backend = {"name": "nowhere", "port": 80}
    mesh.cluster.apply({**route, "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "nothing"}]}},
                       {**route, "metadata": {"name": "half", "namespace": "shop"},
                        "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "late"}],
                                 "rules": [{"backendRefs": [backend]}]}})

    def found(text):
        wait_until(lambda: text in unwrapped(ann.run("check").stdout), "check does not say " + text)
    found("HTTPRoute shop/lost: NoMatchingParent: Service shop/nothing not found")
    found("HTTPRoute shop/half: BackendNotFound: ")
    assert ann.run("check").stdout.count("nowhere") == 1, "it is said twice"
    mesh.cluster.kubectl("-n", "shop", "delete", "httproute", "lost", "half")


def test_of_several_policies_the_others_are_deleted(mesh, ann):
    ann.says("-n", "shop", "apply", "-f", "-", stdin=(POLICY % ("one", "3s")).replace("web}", "one}"))
    done = ann.run("-n", "shop", "delete", "rp", "missing", "one")
    assert done.returncode == 1 and "one deleted" in done.stdout
    assert "not found: resiliencepolicy/missing" in done.stderr


def test_what_a_cluster_does_instead_is_named(ann):
    for command in ("history", "rollback"):
        assert "keep them in Git" in ann.fails(command)
    assert "get secret tulle-ca" in ann.fails("backup", "copy")


def test_pods_that_are_never_injected_or_have_ended_need_no_sidecar(mesh, ann):
    cluster = mesh.cluster
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    cluster.apply(node, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "late", "labels": {"tulle.dev/inject": "enabled"}}})
    cluster.kubectl("patch", "node", "n1", "--subresource=status", "-p", json.dumps(
        {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.7"}]}}))
    for name, status, more in (("agent", {"podIP": "192.0.2.7", "podIPs": [{"ip": "192.0.2.7"}]}, {"hostNetwork": True}),
                               ("job", {"phase": "Succeeded"}, {}), ("old", {"phase": "Running"}, {})):
        cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "late"},
                       "spec": {"automountServiceAccountToken": False, "containers": [{"name": "app", "image": "none"}], **more}})
        cluster.kubectl("-n", "late", "patch", "pod", name, "--subresource=status", "-p", json.dumps({"status": status}))
    wait_until(lambda: "WITHOUT A SIDECAR: 1 in late\n" in ann.run("check").stdout, "not one pod: " + ann.run("check").stdout)
    checked = ann.run("check").stdout
    assert "lease" not in checked and "token:" not in checked and "join token" not in checked
    cluster.kubectl("delete", "namespace", "late", "--wait=false")
    cluster.kubectl("delete", "node", "n1")


def test_labels_that_have_no_effect_are_found(mesh):
    admin = Person(mesh.cluster, mesh.cluster.admin)
    mesh.cluster.kubectl("label", "namespace", "default", "tulle.dev/inject=true")
    checked = admin.run("check").stdout
    assert "× labels of namespaces: no effect on the injection: default (tulle.dev/inject=true)" in checked, checked
    mesh.cluster.kubectl("label", "namespace", "default", "tulle.dev/inject-")
    assert "✓ labels of namespaces" in admin.run("check").stdout


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
    cluster.kubectl("delete", "mutatingwebhookconfiguration", "tulle-inject")
    assert "MutatingWebhookConfiguration tulle-inject is missing" in admin.run("check").stdout
    assert "shop. Remove it and restart their workloads first" in admin.fails("uninstall", "--apply", stdin="no\n")
    assert "clusterrole/tulle-control deleted" in admin.says("uninstall", "--apply", "--yes")
    wait_until(lambda: not cluster.get("crd", "-l", "app.kubernetes.io/part-of=tulle")["items"], "the definitions are still there")
