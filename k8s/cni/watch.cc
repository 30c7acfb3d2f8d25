#include "k8s/cni/watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace tulle::cni {

Watch::Watch() : changes_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  signals_ = signalfd(-1, &ends, SFD_CLOEXEC);
}

Watch::~Watch() {
  close(changes_);
  close(signals_);
}

absl::Status Watch::Add(const std::string& folder) {
  constexpr uint32_t kChanges = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;
  if (inotify_add_watch(changes_, folder.c_str(), kChanges) >= 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(folder, ": ", std::strerror(errno)));
}

bool Watch::Wait(int seconds) {
  pollfd each[] = {{changes_, POLLIN, 0}, {signals_, POLLIN, 0}};
  poll(each, 2, seconds * 1000);
  char events[4096];
  while (read(changes_, events, sizeof(events)) > 0) {
  }
  return (each[1].revents & POLLIN) == 0;
}

}  // namespace tulle::cni
