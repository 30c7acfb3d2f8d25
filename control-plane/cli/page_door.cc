#include "control-plane/cli/page_door.h"

#include <csignal>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "control-plane/cli/page_login.h"
#include "control-plane/cli/user_error.h"
#include "control-plane/dashboard/page_headers.h"
#include "control-plane/server/guest_list.h"
#include "control-plane/server/guest_transport.h"
#include "control-plane/server/rest_server.h"
#include "net/loop/deadlines.h"
#include "net/loop/uv/uv_loop.h"
#include "net/socket/plain_transport.h"

namespace tulle::cli {
namespace {

using Json = nlohmann::json;
using server::RestAnswer;

constexpr char kHost[] = "127.0.0.1";
constexpr std::string_view kSessions = "/v1/dashboard/sessions";
constexpr size_t kMostConnections = 64;  // of the session
// Of others: any user of this host can connect. A page that loads slowly is one of them.
constexpr server::GuestList::Limits kGuests{64, std::chrono::seconds(20)};
constexpr size_t kMostRequestBytes = 16 * 1024;

bool IsPage(std::string_view path) { return path.starts_with(dashboard::kPagePath); }

RestAnswer Refused(int status, const std::string& error, const std::string& hint) {
  const Json json = {{"error", error}, {"hint", hint}};
  return {status, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

class PageDoor final : private loop::ListenerEvents {
 public:
  PageDoor(loop::Loop& loop, const PageServing& serving)
      : loop_(loop),
        serving_(serving),
        deadlines_(loop),
        guests_(deadlines_, kGuests),
        server_(
            loop, [this](const api::ApiRequest& head) { return Admit(head); },
            [this](const api::ApiRequest& request) { return Answer(request); },
            {.body_bytes = kMostRequestBytes, .most_identified = kMostConnections}) {}

  absl::Status Open();

 private:
  void OnAccept(std::unique_ptr<loop::Socket> socket) override {
    auto transport = std::make_unique<server::GuestTransport>(
        loop_, NewAcceptedTransport(loop_, std::move(socket)));
    server::GuestTransport& guest = *transport;
    const SocketAddress from = guest.PeerAddress();
    server_.Adopt(std::move(transport), &guest);
    guests_.Admit(guest, from);
  }
  server::RestVerdict Admit(const api::ApiRequest& head);
  RestAnswer Answer(const api::ApiRequest& request);
  RestAnswer LogIn(const std::string& body);
  RestAnswer Forward(const api::ApiRequest& request);
  int64_t Now() const { return std::chrono::system_clock::to_time_t(loop_.WallNow()); }

  loop::Loop& loop_;
  const PageServing& serving_;
  certs::SystemKeySource keys_;
  std::unique_ptr<PageLogin> login_;
  loop::Deadlines deadlines_;
  server::GuestList guests_;
  server::RestServer server_;
  std::unique_ptr<loop::Listener> listener_;
};

absl::Status PageDoor::Open() {
  int error = 0;
  loop::ListenOptions options;
  options.reuse_port = false;
  listener_ = loop_.Listen(*SocketAddress::Parse(kHost, serving_.port), options, *this, &error);
  if (listener_ == nullptr) {
    return UserError(
        absl::StrCat("cannot listen on ", kHost, ":", serving_.port, ": ", strerror(-error)),
        "use another port with --port, or none for a free one");
  }
  const std::string authority = absl::StrCat(kHost, ":", listener_->LocalAddress().port());
  login_ = std::make_unique<PageLogin>(authority, &keys_);
  serving_.on_ready(absl::StrCat("http://", authority, std::string(dashboard::kPagePath),
                                 "#code=", login_->NewCode(Now())));
  return absl::OkStatus();
}

server::RestVerdict PageDoor::Admit(const api::ApiRequest& head) {
  const auto refuse = [](RestAnswer answer) { return server::RestVerdict{std::move(answer)}; };
  if (!login_->IsOfPage(head)) {
    return refuse(Refused(403, "this dashboard accepts requests from its own page only",
                          "open the link that `tullectl dashboard` prints"));
  }
  if (!IsPlainPath(head.path))
    return refuse(Refused(400, "invalid path", "use the dashboard's own links"));
  if (IsPage(head.path)) {
    if (head.method == "GET" || head.method == "HEAD") return {};
    return refuse(Refused(405, "method not allowed", "use GET"));
  }
  if (head.method == "POST" && head.path == kSessions) {
    server::RestVerdict verdict;
    verdict.is_login = true;
    return verdict;
  }
  if (!login_->IsOfSession(head.authorization, Now())) {
    return refuse(Refused(401, "not logged in", "run `tullectl dashboard` and open its link"));
  }
  if (!IsForPage(head.method, head.path)) {
    return refuse(Refused(403, "the dashboard is read-only", "use tullectl"));
  }
  return {std::nullopt, true};
}

RestAnswer PageDoor::LogIn(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const bool has_code = json.is_object() && json.contains("code") && json["code"].is_string();
  const auto token =
      has_code ? login_->Redeem(json["code"].get<std::string>(), Now()) : std::nullopt;
  if (token) return {201, Json({{"token", *token}}).dump()};
  return Refused(401, "the link has been used, or is older than a minute",
                 "run `tullectl dashboard` again and open its link");
}

RestAnswer PageDoor::Forward(const api::ApiRequest& request) {
  if (request.method == "POST" && !IsTapForPage(request.body)) {
    return Refused(403, "the dashboard does not show secrets of requests",
                   "use `tullectl tap --no-redact`");
  }
  const auto reply = serving_.forward({.method = request.method,
                                       .path = request.path,
                                       .query = request.query,
                                       .body = request.body});
  if (!reply.ok()) return Refused(502, ErrorOf(reply.status()), HintOf(reply.status()));
  return {reply->status, reply->body};
}

RestAnswer PageDoor::Answer(const api::ApiRequest& request) {
  const bool is_page = IsPage(request.path);
  RestAnswer answer =
      !is_page && request.path == kSessions ? LogIn(request.body) : Forward(request);
  answer.headers = dashboard::SecurityHeaders();
  if (is_page && answer.status == 200) answer.content_type = dashboard::MediaTypeOf(request.path);
  return answer;
}

}  // namespace

absl::StatusOr<int> ServePage(const PageServing& serving) {
  const auto loop = loop::NewUvLoop();
  PageDoor door(*loop, serving);
  for (const int signal : {SIGINT, SIGTERM}) loop->OnSignal(signal, [&loop] { loop->Stop(); });
  const absl::Status status = door.Open();
  if (!status.ok()) return status;
  loop->Run();
  return 0;
}

}  // namespace tulle::cli
