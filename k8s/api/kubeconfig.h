// A person's kubeconfig, as kubectl reads it: one file, or several that are merged (the first one
// that defines a cluster, user, context or current-context wins). Pure but for reading files; any
// thread. Errors name the file or the field, and what to do.
// Source: kubernetes/client-go, tools/clientcmd/api/v1/types.go.
#pragma once

#include <yaml-cpp/yaml.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "k8s/api/cluster.h"
#include "k8s/api/exec_plugin.h"

namespace tulle::k8s {

// How to reach and to enter a cluster.
struct Login {
  std::string context;  // its name
  std::string source;   // the file that defines the context
  std::string ns;       // of the context; empty: it names none
  Cluster cluster;
  std::optional<ExecPlugin> exec = {};  // set: the credentials come from it
};

class Kubeconfig {
 public:
  // Files that do not exist are skipped if `may_lack` any.
  static absl::StatusOr<Kubeconfig> Read(const std::vector<std::string>& paths, bool may_lack);
  static absl::StatusOr<Kubeconfig> Parse(const std::string& yaml, const std::string& path);

  // The names of all contexts, in order.
  std::vector<std::string> Contexts() const;
  // The file that defines a context; empty: none does.
  std::string FileOf(const std::string& context) const;
  // Empty: there is none.
  std::string CurrentContext() const;
  // That a context names, or "default".
  std::string NamespaceOf(const std::string& context) const;
  bool empty() const { return files_.empty(); }
  // Empty `context`: the current one. Auth providers, passwords, proxies and
  // insecure-skip-tls-verify are not supported: an error says so.
  absl::StatusOr<Login> LoginTo(const std::string& context) const;

 private:
  struct File {
    YAML::Node config;
    std::string path;
  };
  struct Entry {
    YAML::Node node;
    const File* file;
  };

  absl::Status Add(const std::string& yaml, const std::string& path);
  // The entry of `list` that is called `name`; its part `kind` ("cluster", "user", "context").
  absl::StatusOr<Entry> Named(const char* list, const std::string& name, const char* kind) const;
  absl::StatusOr<Login> Read(const Entry& context, const std::string& name) const;

  std::vector<File> files_;
};

// $KUBECONFIG: files, separated by colons.
std::vector<std::string> SplitPaths(const std::string& paths);

}  // namespace tulle::k8s
