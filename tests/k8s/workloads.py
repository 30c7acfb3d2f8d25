"""Workloads of the tests of pods: the image `python` with the programs of apps/, manifests, and the load."""
import json
import os
import shutil
import subprocess

import image

APPS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "apps")
HTTP2 = ("h2", "hpack", "hyperframe")
LEFT_OUT = ("config-*", "test", "dist-packages", "lib2to3", "pydoc_data", "distutils", "idlelib", "tkinter", "ensurepip")


def load_python(cluster):
    """Gives the nodes the image `python`: a shell, its tools, curl, Python and apps/."""
    root = cluster.path("image-python")
    image.busybox(root)
    image.place_program(root, shutil.which("curl"), "/bin/curl")
    interpreter = os.path.realpath("/usr/bin/python3")
    image.place_program(root, interpreter, "/usr/bin/python3")
    library = "/usr/lib/" + os.path.basename(interpreter)
    shutil.copytree(library, root + library, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for module in os.listdir(library + "/lib-dynload"):
        if module.startswith(("_ssl", "_hashlib", "_ctypes", "_uuid")):
            os.unlink("%s%s/lib-dynload/%s" % (root, library, module))
    for package in HTTP2:
        shutil.copytree("/usr/lib/python3/dist-packages/" + package, root + "/usr/lib/python3/dist-packages/" + package)
    for app in os.listdir(APPS):
        if app.endswith(".py"):
            image.place(root, os.path.join(APPS, app), "/" + app)
    cluster.load_image(image.archive(cluster.path("python.tar"), image.name("python"), root))


def container(name, *argv, **more):
    return {"name": name, "image": image.name("python"), "imagePullPolicy": "Never", "command": list(argv), **more}


def python(name, app, *arguments, **more):
    """A container that runs a program of apps/."""
    return container(name, "/usr/bin/python3", "/%s.py" % app, *map(str, arguments), **more)


def template(app, *containers, **spec):
    """Of a pod."""
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": list(containers), **spec}}


def deployment(ns, name, replicas, *containers, **spec):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": ns},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": template(name, *containers, **spec)}}


def pod(ns, name, *containers, **spec):
    return {"apiVersion": "v1", "kind": "Pod", **template(name, *containers, **spec),
            "metadata": {"name": name, "namespace": ns, "labels": {"app": name}}}


def service(ns, name, *ports, **spec):
    """Ports are pairs (port, target port)."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns},
            "spec": {"selector": {"app": name}, "ports": [
                {"name": "p%d" % port, "port": port, "targetPort": target} for port, target in ports], **spec}}


class Load:
    """What apps/load.py counted, as a pod of its own."""

    def __init__(self, cluster, ns, name):
        self.cluster = cluster
        self.name = name
        self.ns = ns
        self.address = cluster.get("-n", ns, "pod", name)["status"]["podIP"]

    def take(self):
        """The figures since the last time."""
        argv = self.cluster.namespace.argv(shutil.which("curl"), "-sf", "-m", "10", "http://%s:9000/" % self.address)
        return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)

    def sidecar_log(self):
        """Of its own sidecar; also of the one before, if it ended."""
        argv = ["-n", self.ns, "logs", self.name, "-c", "tulle-sidecar", "--tail=200"]
        return self.cluster.try_kubectl(*argv, "--previous").stdout + "--\n" + self.cluster.kubectl(*argv)
