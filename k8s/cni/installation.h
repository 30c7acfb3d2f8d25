// The plugin on a node: the program in the folder of CNI plugins, and its entry at the end of the
// configuration that the container runtime uses. Blocking. Every step may be repeated, so that the
// owner repeats them whenever a folder changes. Errors name the file.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace tulle::cni {

struct Installation {
  std::string conf_folder;  // such as /etc/cni/net.d
  std::string bin_folder;   // such as /opt/cni/bin
  std::string program = "/proc/self/exe";

  // kNotFound: no network plugin has written its configuration yet.
  absl::Status Install() const;
  // The entry, from all configurations. The program stays.
  absl::Status Remove() const;
  // Whether Install(), or Remove(), would change nothing.
  absl::Status CheckInstalled() const;
  absl::Status CheckRemoved() const;
};

}  // namespace tulle::cni
