#include "k8s/api/exchange.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace tulle::k8s {
namespace {

using http::HeaderId;

constexpr size_t kCredit = 256 * 1024;
constexpr int64_t kLongestWaitSeconds = 60;

// Seconds; the other form, a date, is not used by API servers.
loop::Duration RetryAfter(const http::Head& head) {
  const std::string_view text = head.headers.Get(HeaderId::kRetryAfter);
  int64_t seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || parsed.ptr != text.data() + text.size()) return {};
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 0, kLongestWaitSeconds));
}

}  // namespace

Exchange::Exchange(loop::Loop& loop, http::ClientConnection& connection, const Request& request,
                   std::string_view authority, std::string_view token, loop::Duration timeout,
                   ExchangeEvents& events)
    : events_(events), arena_(loop.slab()) {
  stream_ = &connection.Open(*this);
  http::Head head(arena_);
  head.method = request.method;
  head.scheme = "https";
  head.authority = authority;
  head.path = request.target;
  head.headers.Add(HeaderId::kAccept, "accept", request.accept);
  head.headers.Add(HeaderId::kUserAgent, "user-agent", "tulle");
  if (!token.empty()) {
    head.headers.Add(HeaderId::kAuthorization, "authorization", arena_.Concat("Bearer ", token));
  }
  const bool has_body = !request.body.empty();
  if (has_body) {
    head.headers.Add(HeaderId::kContentType, "content-type", request.content_type);
    head.headers.Add(HeaderId::kContentLength, "content-length",
                     arena_.Copy(std::to_string(request.body.size())));
  }
  stream_->SendHeaders(head, !has_body);
  if (has_body) {
    Buffer body(loop.slab());
    body.Append(request.body);
    stream_->SendData(body, true);
  }
  stream_->Pull(kCredit);
  deadline_ = loop.NewTimer([this] { Fail("the API server did not answer in time"); });
  deadline_->Start(timeout);
}

void Exchange::Cancel() {
  Unlink();
  if (deadline_ != nullptr) deadline_->Stop();
  if (stream_ != nullptr) std::exchange(stream_, nullptr)->Reset({FailureKind::kDownstreamClosed});
}

void Exchange::Fail(const std::string& error) {
  Cancel();
  events_.OnEnd(error);
}

void Exchange::OnHeaders(http::Head& head, bool end) {
  events_.OnHead(head.status, RetryAfter(head));
  if (end && stream_ != nullptr) Fail("");
}

void Exchange::OnData(Buffer& data, bool end) {
  const size_t count = data.size();
  while (!data.empty() && stream_ != nullptr) {
    const std::string_view piece = data.Front();
    events_.OnBody(piece);
    data.Drain(piece.size());
  }
  data.Clear();
  if (stream_ == nullptr) return;
  if (end) return Fail("");
  stream_->Pull(count);
}

void Exchange::OnReset(Failure failure) {
  std::string text = absl::StrReplaceAll(std::string(failure.facts().cause), {{"_", " "}});
  if (*failure.detail != '\0') absl::StrAppend(&text, ": ", failure.detail);
  Fail(absl::StrCat("the connection to the API server was lost (", text, ")"));
}

}  // namespace tulle::k8s
