#include "control-plane/server/door.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "net/socket/transports.h"

namespace tulle::server {
namespace {

// At most one line about connections that were refused in this time.
constexpr std::chrono::seconds kReportEvery{5};

const char* AdviceFor(int listen_error) {
  if (listen_error == EADDRNOTAVAIL) return "use an address of this host";
  if (listen_error == EACCES) return "ports below 1024 require root or CAP_NET_BIND_SERVICE";
  return "use another address, or stop the other program";
}

}  // namespace

Door::Door(std::string name, loop::Loop& loop, telemetry::Log& log, const GuestList::Limits& limits,
           Adopt adopt)
    : name_(std::move(name)),
      loop_(loop),
      log_(log),
      deadlines_(loop),
      guests_(deadlines_, limits),
      adopt_(std::move(adopt)) {
  resume_ = loop_.NewTimer([this] {
    pace_.OnResumed(loop_.Now());
    Serve();
  });
  report_ = loop_.NewTimer([this] { Report(); });
  report_->Start(kReportEvery);
}

Door::~Door() = default;

absl::Status Door::Listen(const SocketAddress& at) {
  int error = 0;
  loop::ListenOptions options;
  options.backlog = AcceptPace::kBacklog;
  options.reuse_port = false;  // a second control plane on this port must fail, not share it
  listener_ = loop_.Listen(at, options, *this, &error);
  if (listener_ != nullptr) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("cannot listen on ", at.ToString(), ": ",
                                             strerror(-error), "; ", AdviceFor(-error)));
}

void Door::OnAccept(std::unique_ptr<loop::Socket> socket) {
  std::string source = SourceOf(socket->PeerAddress());
  queue_.Push(std::move(source), std::move(socket), pace_.most_waiting());
  if (!resume_->active()) Serve();
}

void Door::Serve() {
  const TransportAcceptor& acceptor =
      acceptor_ == nullptr ? PlainAcceptor() : static_cast<const TransportAcceptor&>(*acceptor_);
  while (!queue_.empty()) {
    auto transport = std::make_unique<GuestTransport>(loop_, acceptor.Accept(loop_, queue_.Pop()));
    GuestTransport& guest = *transport;
    const SocketAddress from = guest.PeerAddress();
    adopt_(std::move(transport));
    guests_.Admit(guest, from);
    if (!pace_.Take(loop_.Now())) return resume_->Start(AcceptPace::kPause);
  }
}

uint64_t Door::Refused() const {
  return queue_.dropped() + guests_.dismissed(Dismissal::kNoRoom) +
         guests_.dismissed(Dismissal::kTimeout);
}

void Door::Report() {
  report_->Start(kReportEvery);
  const uint64_t refused = Refused();
  const uint64_t fresh = refused - std::exchange(reported_, refused);
  if (fresh == 0) return;
  log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kApi,
             absl::StrCat(name_, " port: closed ", fresh,
                          " connections that did not prove an identity, or were too many of one "
                          "address; the last one came from ",
                          guests_.last_dismissed().host(), "; ", guests_.size(), " are open"));
}

}  // namespace tulle::server
