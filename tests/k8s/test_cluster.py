"""The cluster itself: if these fail, look at the cluster before the mesh."""


def test_an_api_server_answers(control):
    assert control.get("namespace", "default")["status"]["phase"] == "Active"


def test_a_pod_calls_a_service_by_name(cluster, namespace):
    cluster.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": namespace, "labels": {"app": "web"}},
         "spec": {"containers": [{
             "name": "web", "image": cluster.tools, "imagePullPolicy": "Never",
             "command": ["sh", "-c", "echo hello > /www/index.html && exec httpd -f -p 8080 -h /www"],
             "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1}}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
         "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client", "namespace": namespace},
         "spec": {"restartPolicy": "Never", "containers": [{
             "name": "client", "image": cluster.tools, "imagePullPolicy": "Never",
             "command": ["sh", "-c", "until curl -sf -m 1 http://web.%s.svc.cluster.local; do sleep 0.2; done" % namespace]}]}})
    cluster.wait_for("jsonpath={.status.phase}=Succeeded", "-n", namespace, "pod/client")
    assert cluster.kubectl("-n", namespace, "logs", "client") == "hello\n"
