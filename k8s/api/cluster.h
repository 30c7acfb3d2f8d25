// Where a cluster's API server is, and with which credentials to call it. Read from the files that
// Kubernetes gives to a pod, or from a kubeconfig. Plain values; any thread. Errors name the file
// or the field, and what to do.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace tulle::k8s {

// A text, or the file that contains it. A file is read anew for each use: Kubernetes replaces
// tokens and certificates while a program runs.
struct TextSource {
  std::string text;
  std::string file;

  bool empty() const { return text.empty() && file.empty(); }
  absl::StatusOr<std::string> Read() const;
};

struct Cluster {
  std::string host;  // a name or an IP literal without brackets
  uint16_t port = 443;
  std::string server_name;  // that the server's certificate must be valid for
  TextSource ca = {};       // PEM
  // Either a token, or a certificate and its key (PEM).
  TextSource token = {};
  TextSource client_certificate = {};
  TextSource client_key = {};

  // HOST:PORT, as requests name it.
  std::string Authority() const;
};

using Environment = std::function<std::string(const char* name)>;  // empty: not set

// KUBERNETES_SERVICE_HOST and _PORT, and the service account's folder.
absl::StatusOr<Cluster> InCluster(
    const Environment& environment,
    const std::string& folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// The current context of a kubeconfig (kubeconfig.h), for a program that runs on its own: exec
// plugins are not supported either.
absl::StatusOr<Cluster> ReadKubeconfig(const std::string& path);

}  // namespace tulle::k8s
