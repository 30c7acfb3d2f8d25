#include "control-plane/cli/live_requests.h"

#include <utility>

#include "absl/time/time.h"
#include "control-plane/cli/traffic_report.h"
#include "control-plane/cli/user_error.h"

namespace tulle::cli {
namespace {

constexpr char kTaps[] = "/v1/taps";

// Milliseconds; unset: the text is empty.
absl::Status AddLatency(const char* option, const std::string& text, const char* field,
                        Json* filter) {
  if (text.empty()) return absl::OkStatus();
  absl::Duration latency;
  if (!absl::ParseDuration(text, &latency) || latency < absl::Milliseconds(1) ||
      latency > absl::Hours(24)) {
    return UserError("invalid value \"" + text + "\" of " + option,
                     "use a time from 1ms to 24h, like 250ms or 1.5s");
  }
  (*filter)[field] = absl::ToInt64Milliseconds(latency);
  return absl::OkStatus();
}

absl::StatusOr<Json> FilterOf(Session& session) {
  const Invocation& wanted = session.invocation;
  const TapFlags& tap = wanted.tap;
  Json filter = Json::object();
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) filter[name] = text;
  };
  const std::string& service = wanted.selection.service;
  const bool is_short = service.find('.') == std::string::npos;
  add("service",
      service.empty() || wanted.ns.empty() || !is_short ? service : service + "." + wanted.ns);
  if (service.empty()) add("namespace", wanted.ns);
  add("method", tap.method);
  add("path", tap.path);
  add("source", WantedCaller(session));
  add("status", tap.status);
  add("id", tap.id);
  if (tap.failed) filter["failed"] = true;
  if (!tap.headers.empty()) filter["headers"] = tap.headers;
  if (tap.show_headers) filter["showHeaders"] = true;
  if (tap.no_redact) filter["redact"] = false;
  absl::Status latencies = AddLatency("--min-latency", tap.min_latency, "minMs", &filter);
  latencies.Update(AddLatency("--max-latency", tap.max_latency, "maxMs", &filter));
  if (!latencies.ok()) return latencies;
  return filter;
}

}  // namespace

absl::StatusOr<LiveRequests> LiveRequests::Open(Session& session) {
  auto filter = FilterOf(session);
  if (!filter.ok()) return filter.status();
  LiveRequests live(session, *std::move(filter));
  if (const absl::Status opened = live.Reopen(); !opened.ok()) return opened;
  return live;
}

absl::Status LiveRequests::Reopen() {
  const auto opened = session_->Post(kTaps, filter_);
  if (!opened.ok()) return opened.status();
  watch_.Succeeded();
  path_ = std::string(kTaps) + "/" + TextAt(*opened, "/id");
  return absl::OkStatus();
}

void LiveRequests::Close() {
  if (!path_.empty()) (void)session_->Delete(path_);
  path_.clear();
}

absl::StatusOr<Json> LiveRequests::Read() {
  absl::Status problem = path_.empty() ? Reopen() : absl::OkStatus();
  if (problem.ok()) {
    auto news = session_->Get(path_);
    if (news.ok()) {
      SayProblems(*news);
      return news;
    }
    problem = news.status();
    if (session_->was_not_found()) {
      path_.clear();
      problem = Reopen();
      if (problem.ok()) return Json(Json::object());
    }
  }
  path_.clear();
  if (const absl::Status lost = watch_.AfterError(problem); !lost.ok()) return lost;
  return Json(Json::object());
}

void LiveRequests::SayProblems(const Json& news) {
  std::ostream& err = session_->err();
  const int64_t left_out = NumberAt(news, "/leftOut");
  left_out_ += left_out;
  if (says_losses_ && left_out > 0) {
    err << "warning: " << left_out << " requests were too many to be shown: narrow the filter\n";
  }
  for (const Json& error : PartAt(news, "/errors"))
    err << "warning: a sidecar refuses: " << TextAt(error, "") << "\n";
  if (std::exchange(is_first_, false) && NumberAt(news, "/sidecars") == 0) {
    err << "warning: no sidecar that can be tapped is connected: see `tullectl status`\n";
  }
}

}  // namespace tulle::cli
