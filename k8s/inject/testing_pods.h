// Pods as the API server sends them to a webhook (v1.34, CREATE, after the ServiceAccount plugin).
#pragma once

namespace tulle::inject::testing {

// Of a Deployment.
inline constexpr char kWeb[] = R"({
  "kind": "Pod", "apiVersion": "v1",
  "metadata": {
    "generateName": "web-7d4b9c6f5b-", "namespace": "shop", "creationTimestamp": null,
    "labels": {"app": "web", "pod-template-hash": "7d4b9c6f5b"},
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-7d4b9c6f5b",
      "uid": "7b1c3a5e-14f2-4a55-a5f1-0d5a4bb6d2a1", "controller": true, "blockOwnerDeletion": true}]},
  "spec": {
    "volumes": [{"name": "kube-api-access-x7k2p", "projected": {"sources": [
      {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
      {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}],
      "defaultMode": 420}}],
    "initContainers": [{"name": "migrate", "image": "shop/web:1", "command": ["/migrate"],
      "resources": {}, "imagePullPolicy": "IfNotPresent"}],
    "containers": [{"name": "web", "image": "shop/web:1",
      "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                {"name": "grpc", "containerPort": 9090, "protocol": "TCP"}],
      "resources": {},
      "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP",
        "httpHeaders": [{"name": "x-probe", "value": "1"}]}, "timeoutSeconds": 2, "periodSeconds": 10,
        "successThreshold": 1, "failureThreshold": 3},
      "readinessProbe": {"grpc": {"port": 9090, "service": "shop.Web"}, "timeoutSeconds": 1,
        "periodSeconds": 5},
      "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
      "lifecycle": {"preStop": {"httpGet": {"path": "/bye", "port": 8080}},
                    "postStart": {"exec": {"command": ["/hello"]}}},
      "volumeMounts": [{"name": "kube-api-access-x7k2p", "readOnly": true,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
      "terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"}],
    "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
    "serviceAccountName": "web", "serviceAccount": "web", "securityContext": {},
    "schedulerName": "default-scheduler", "enableServiceLinks": true},
  "status": {}})";

// As little as the API server accepts.
inline constexpr char kBare[] = R"({"kind": "Pod", "apiVersion": "v1",
  "metadata": {"name": "bare"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})";

}  // namespace tulle::inject::testing
