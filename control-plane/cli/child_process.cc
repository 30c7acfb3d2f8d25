#include "control-plane/cli/child_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr int kHandled[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

sigset_t HandledSet() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kHandled) sigaddset(&set, number);
  return set;
}

// In the child; only returns if that failed, with errno.
void Become(const ProgramToStart& program, const std::vector<char*>& words, pid_t parent) {
  const sigset_t handled = HandledSet();
  sigprocmask(SIG_UNBLOCK, &handled, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  if (program.is_ours) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(1);
  }
  for (const auto& [name, value] : program.variables) setenv(name.c_str(), value.c_str(), 1);
  execvp(words[0], words.data());
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

absl::StatusOr<pid_t> StartProgram(const ProgramToStart& program) {
  std::vector<char*> words;
  for (const std::string& word : program.argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  // Closed by a successful exec; else it brings errno.
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return UserError(strerror(errno), "");
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    Become(program, words, parent);
    const int error = errno;
    if (write(report[1], &error, sizeof(error)) < 0) _exit(126);
    _exit(127);
  }
  close(report[1]);
  int error = child < 0 ? errno : 0;
  if (child > 0 && read(report[0], &error, sizeof(error)) != sizeof(error)) error = 0;
  close(report[0]);
  if (error == 0) return child;
  if (child > 0) waitpid(child, nullptr, 0);
  return UserError(absl::StrCat("cannot start ", program.argv[0], ": ", strerror(error)),
                   "check the path and that the file is executable");
}

int ExitCodeOf(int wait_status) {
  return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

uint16_t FreePort() {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  const bool is_bound = bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                        getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  close(probe);
  return is_bound ? ntohs(address.sin_port) : 0;
}

bool IsPortFree(uint16_t port) {
  const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // connections that linger are fine
  sockaddr_in address = Loopback(port);
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  const bool is_free = bind(probe, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                       listen(probe, 1) == 0;
  close(probe);
  return is_free;
}

int HttpStatus(uint16_t port, const std::string& path) {
  const int socket_descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{1, 0};
  setsockopt(socket_descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in address = Loopback(port);
  std::string answer(64, '\0');
  const std::string request =
      absl::StrCat("GET ", path, " HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
  ssize_t count = -1;
  if (connect(socket_descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      write(socket_descriptor, request.data(), request.size()) > 0) {
    count = read(socket_descriptor, answer.data(), answer.size());
  }
  close(socket_descriptor);
  int status = 0;
  if (count >= 12 && answer.starts_with("HTTP/1.1 ") &&
      absl::SimpleAtoi(answer.substr(9, 3), &status))
    return status;
  return 0;
}

std::string OwnFolder() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string();
}

Signals::Signals() {
  const sigset_t handled = HandledSet();
  sigprocmask(SIG_BLOCK, &handled, nullptr);
  descriptor_ = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
}

Signals::~Signals() {
  close(descriptor_);
  const sigset_t handled = HandledSet();
  sigprocmask(SIG_UNBLOCK, &handled, nullptr);
}

std::optional<Signals::Received> Signals::Next(std::chrono::milliseconds within) {
  pollfd each{descriptor_, POLLIN, 0};
  if (poll(&each, 1, static_cast<int>(within.count())) <= 0) return std::nullopt;
  signalfd_siginfo info{};
  if (read(descriptor_, &info, sizeof(info)) != sizeof(info)) return std::nullopt;
  return Received{static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL};
}

}  // namespace tulle::cli
