// The config file with contexts, like a kubeconfig: the address of each control plane, and the
// files of its CA and of the user's credential. Contains no secrets itself.
//
//   current-context: local
//   contexts:
//   - name: local
//     server: https://127.0.0.1:15016
//     credential-file: /var/lib/tulle/admin.json
//     ca-file: /var/lib/tulle/ca.pem
//     namespace: shop
//
// Values; any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tulle::cli {

struct ServerEntry {
  std::string name;
  std::string server;
  std::string credential_file;
  std::string ca_file;
  std::string ns;
};

struct ConfigFile {
  std::string current;
  std::vector<ServerEntry> entries;  // in the order of the file

  const ServerEntry* Find(const std::string& name) const;
  ServerEntry& FindOrAdd(const std::string& name);
  std::vector<std::string> Names() const;

  // A missing file counts as empty, unless it must exist because the user has named it.
  static absl::StatusOr<ConfigFile> Load(const std::string& path, bool must_exist = false);
  // An error names the line of the wrong field.
  static absl::StatusOr<ConfigFile> Parse(const std::string& text, const std::string& path);
  // Writes the file atomically, mode 0600, in a folder of mode 0700.
  absl::Status Save(const std::string& path) const;
  std::string ToYaml() const;
};

// --config, else $TULLECTL_CONFIG, else $XDG_CONFIG_HOME/tulle/config, else ~/.config/tulle/config.
std::string ConfigPath(const std::string& flag,
                       const std::map<std::string, std::string>& variables);

}  // namespace tulle::cli
