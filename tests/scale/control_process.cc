#include "tests/scale/control_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace tulle::scale {
namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kLookEvery{10};

sockaddr_in LoopbackAddress(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t FreePort() {
  const int probe = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = LoopbackAddress(0);
  socklen_t length = sizeof address;
  bind(probe, reinterpret_cast<const sockaddr*>(&address), length);
  getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length);
  close(probe);
  return ntohs(address.sin_port);
}

bool Accepts(uint16_t port) {
  const int probe = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = LoopbackAddress(port);
  const bool accepts =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  return accepts;
}

size_t CoreCount() { return std::max(1u, std::thread::hardware_concurrency()); }

void RunOnCores(size_t first, size_t last) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (size_t core = first; core <= last; ++core) CPU_SET(core, &cores);
  sched_setaffinity(0, sizeof cores, &cores);
}

}  // namespace

void LeaveFirstCore() {
  if (CoreCount() > 1) RunOnCores(1, CoreCount() - 1);
}

size_t RaiseDescriptorLimit(size_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  const rlimit raised{wanted, std::max<rlim_t>(wanted, limit.rlim_max)};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return wanted;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

ControlProcess::ControlProcess(std::string program, std::string directory, bool pin)
    : program_(std::move(program)), directory_(std::move(directory)), pin_(pin) {
  grpc_port_ = FreePort();
  do api_port_ = FreePort();
  while (api_port_ == grpc_port_);
  do health_port_ = FreePort();
  while (health_port_ == grpc_port_ || health_port_ == api_port_);
}

ControlProcess::~ControlProcess() { End(SIGTERM); }

void ControlProcess::Kill() { End(SIGKILL); }

void ControlProcess::End(int signal) {
  if (pid_ < 0) return;
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

absl::Status ControlProcess::Spawn() {
  mkdir(directory_.c_str(), 0700);
  // Every address of loopback: imitated sidecars spread over them, since the ports of one do not
  // suffice for ten thousand.
  std::vector<std::string> words = {program_,
                                    "--data-dir",
                                    directory_ + "/data",
                                    "--grpc",
                                    absl::StrCat("0.0.0.0:", grpc_port_),
                                    "--api",
                                    absl::StrCat("127.0.0.1:", api_port_),
                                    "--health",
                                    absl::StrCat("127.0.0.1:", health_port_),
                                    "--log-level",
                                    "warning"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log_file().c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (pin_) RunOnCores(0, 0);
  const int error =
      posix_spawn(&pid_, program_.c_str(), &actions, nullptr, arguments.data(), environ);
  if (pin_) LeaveFirstCore();
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return absl::OkStatus();
  pid_ = -1;
  return absl::UnavailableError(absl::StrCat("cannot start ", program_, ": ", strerror(error)));
}

absl::Status ControlProcess::Start() {
  if (absl::Status spawned = Spawn(); !spawned.ok()) return spawned;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!Accepts(health_port_) || access(admin_file().c_str(), R_OK) != 0) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) pid_ = -1;
    if (pid_ < 0 || std::chrono::steady_clock::now() > deadline) {
      return absl::UnavailableError(absl::StrCat("tulle-control did not start: see ", log_file()));
    }
    std::this_thread::sleep_for(kLookEvery);
  }
  return absl::OkStatus();
}

double ControlProcess::CpuSeconds() const {
  clockid_t clock{};
  timespec used{};
  if (pid_ < 0 || clock_getcpuclockid(pid_, &clock) != 0) return 0;
  clock_gettime(clock, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double ControlProcess::DemandSeconds() const {
  std::ifstream schedule(absl::StrCat("/proc/", pid_, "/schedstat"));
  double ran = 0;
  double waited = 0;
  schedule >> ran >> waited;
  return (ran + waited) * 1e-9;
}

double ControlProcess::ResidentKib() const {
  std::ifstream status(absl::StrCat("/proc/", pid_, "/status"));
  std::string word;
  double kib = 0;
  while (status >> word) {
    if (word != "VmRSS:") continue;
    status >> kib;
    break;
  }
  return kib;
}

}  // namespace tulle::scale
