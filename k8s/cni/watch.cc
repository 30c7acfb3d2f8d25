#include "k8s/cni/watch.h"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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
  if (inotify_add_watch(changes_, folder.c_str(), kChanges) < 0)
    return absl::FailedPreconditionError(absl::StrCat(folder, ": ", std::strerror(errno)));
  folders_.push_back(folder);
  return absl::OkStatus();
}

bool Watch::exists() const {
  return std::all_of(folders_.begin(), folders_.end(), [](const std::string& folder) {
    struct stat status {};
    return stat(folder.c_str(), &status) == 0 && status.st_nlink > 0;
  });
}

bool Watch::Pause(int seconds) {
  pollfd end = {signals_, POLLIN, 0};
  return poll(&end, 1, seconds * 1000) <= 0;
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
