#include "k8s/cni/pod_network.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "k8s/init/network.h"
#include "k8s/init/redirect.h"
#include "k8s/init/verification.h"

namespace tulle::cni {
namespace {

absl::Status Error(const std::string& what) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::Status Enter(const std::string& path) {
  const int target = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (target < 0) return Error(path);
  struct stat pod {};
  struct stat own {};
  absl::Status status;
  if (fstat(target, &pod) != 0 || stat("/proc/self/ns/net", &own) != 0) {
    status = Error(path);
  } else if (pod.st_dev == own.st_dev && pod.st_ino == own.st_ino) {
    status = absl::FailedPreconditionError(absl::StrCat(path, " is the node's own network"));
  } else if (setns(target, CLONE_NEWNET) != 0) {
    status = Error(absl::StrCat("entering ", path));
  }
  close(target);
  return status;
}

absl::Status Redirect(const std::string& path, const init::Options& options) {
  absl::Status status = Enter(path);
  if (status.ok()) status = init::BringLoopbackUp();
  if (!status.ok()) return status;
  const auto tables = init::TablesFor(options);
  if (!tables.ok()) return tables.status();
  return init::SetRedirection(options.redirection, *tables, [](const std::string&) {});
}

absl::Status CheckRules(const std::string& path, const init::Options& options) {
  const absl::Status status = Enter(path);
  if (!status.ok()) return status;
  const auto tables = init::TablesFor(options);
  if (!tables.ok()) return tables.status();
  for (const init::Tables& each : *tables) {
    for (const init::Check& check : init::VerifyRules(options.redirection, each)) {
      if (check.outcome == init::Check::Outcome::kFailed)
        return absl::FailedPreconditionError(absl::StrCat(check.what, ": ", check.detail));
    }
  }
  return absl::OkStatus();
}

}  // namespace

PodNetwork RealPodNetwork() { return {Redirect, CheckRules}; }

}  // namespace tulle::cni
