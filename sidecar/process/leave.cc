#include "sidecar/process/leave.h"

#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace tulle::sidecar {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kLongestWait{5};
constexpr size_t kMaxAnswer = 4096;

// False: the time is over.
bool LimitWait(int socket, steady_clock::time_point end) {
  const auto left =
      std::chrono::duration_cast<std::chrono::microseconds>(end - steady_clock::now()).count();
  if (left <= 0) return false;
  const timeval wait{left / 1'000'000, left % 1'000'000};
  return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
         setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) == 0;
}

// The whole answer: the request asks for the connection to be closed. Empty, with errno: failed.
std::string Exchange(int socket, const SocketAddress& admin) {
  const auto end = steady_clock::now() + kLongestWait;
  const std::string request = absl::StrCat("POST /leave HTTP/1.1\r\nHost: ", admin.ToString(),
                                           "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  if (!LimitWait(socket, end) || connect(socket, admin.get(), admin.length()) != 0) return "";
  if (send(socket, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return "";
  }
  std::string answer;
  char piece[512];
  while (answer.size() < kMaxAnswer) {
    errno = EAGAIN;
    if (!LimitWait(socket, end)) return "";
    const ssize_t count = recv(socket, piece, sizeof piece, 0);
    if (count < 0) return "";
    if (count == 0) break;
    answer.append(piece, static_cast<size_t>(count));
  }
  errno = EPROTO;
  return answer;
}

}  // namespace

absl::Status AskToLeave(const SocketAddress& admin) {
  const int connection = socket(admin.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return absl::InternalError(std::strerror(errno));
  const absl::Cleanup close_it = [&] { close(connection); };
  const std::string answer = Exchange(connection, admin);
  if (answer.starts_with("HTTP/1.1 200 ")) return absl::OkStatus();
  if (answer.empty()) {
    const bool late = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
    return absl::UnavailableError(absl::StrCat("no sidecar answers on ", admin.ToString(), ": ",
                                               late ? "not within 5 s" : std::strerror(errno),
                                               "; --admin must be the address of its admin pages"));
  }
  return absl::UnavailableError(absl::StrCat("the sidecar on ", admin.ToString(), " answered: ",
                                             answer.substr(0, answer.find_first_of("\r\n"))));
}

}  // namespace tulle::sidecar
