// The control plane and the credential that a command uses. Flags override the context of the
// config file, which overrides the credential file. Or a Kubernetes cluster, and the control plane
// in it (cluster_login.h says when).
//
// A credential file is either the bare credential (one line), or JSON as tulle-control writes it
// for the first admin: {"server": "https://HOST:PORT", "ca": "PEM", "credential": "..."}, which is
// all that is needed. A credential is never printed.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "k8s/api/kubeconfig.h"

namespace tulle::cli {

struct ConnectionFlags {
  std::string config_file = {};
  std::string context = {};
  std::string kubeconfig = {};
  std::string server = {};
  std::string credential_file = {};
  std::string ca_file = {};
};

struct Destination {
  std::string server;  // https://HOST:PORT
  std::string ca_pem;
  std::string ca_source;  // the file that it comes from
  std::string credential;
  std::string credential_source;  // the same
  std::string ns = "default";     // of commands that name none
  // Set: the control plane of a cluster, through its API server; `server` is in words.
  std::optional<k8s::Login> login = {};
};

absl::StatusOr<Destination> ResolveDestination(const ConnectionFlags& flags,
                                               const std::map<std::string, std::string>& variables);
// The namespace of the context, or "default". For commands without a server.
std::string NamespaceOf(const ConnectionFlags& flags,
                        const std::map<std::string, std::string>& variables);

// After a root rotation: saves the new roots to the file of the previous ones.
absl::Status SaveTrust(const Destination& destination, const std::string& ca_pem);

// "127.0.0.1:15016", "https://localhost" -> "https://HOST:PORT".
absl::StatusOr<std::string> NormalizeServer(const std::string& text);

}  // namespace tulle::cli
