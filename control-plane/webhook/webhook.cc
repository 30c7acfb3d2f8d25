#include "control-plane/webhook/webhook.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "control-plane/webhook/policy_review.h"

namespace tulle::webhook {
namespace {

using telemetry::LogComponent;
using telemetry::LogLevel;

constexpr std::string_view kInject = "/inject";
constexpr std::string_view kValidate = "/validate";
constexpr int kMostLines = 20;
constexpr std::chrono::seconds kLinesEvery{10};

bool IsJson(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return absl::EqualsIgnoreCase(
      absl::StripAsciiWhitespace(absl::string_view(type.data(), type.size())), "application/json");
}

}  // namespace

std::optional<Reply> Webhook::CheckHead(std::string_view method, std::string_view path,
                                        std::string_view content_type) const {
  if (path != kInject && path != kValidate)
    return Reply{404, "not found; the webhooks are POST /inject and POST /validate\n"};
  if (method != "POST") return Reply{405, "method not allowed: use POST\n"};
  if (!IsJson(content_type))
    return Reply{415, "unsupported content type: must be application/json\n"};
  return std::nullopt;
}

std::optional<Reply> Webhook::Refuse(std::string_view method, std::string_view path,
                                     std::string_view content_type) {
  auto reply = CheckHead(method, path, content_type);
  if (!reply) return std::nullopt;
  ++counts_.invalid;
  Warn(absl::StrCat("webhook: request refused with status ", reply->status, ": ",
                    absl::StripAsciiWhitespace(reply->body)));
  return reply;
}

Reply Webhook::Review(std::string_view path, std::string_view body) {
  const bool is_policy = path == kValidate;
  // The configuration of /inject selects namespaces by this label.
  const inject::Json labels{{std::string(inject::kInjectLabel), "enabled"}};
  inject::ReviewAnswer answer =
      is_policy ? ReviewPolicy(body, mesh_namespace_) : inject::Review(body, labels, settings_);
  Count(answer, is_policy);
  const bool is_warning = answer.result == inject::ReviewResult::kRefused ||
                          answer.result == inject::ReviewResult::kInvalid;
  if (is_warning) {
    Warn("webhook: " + answer.log);
  } else if (!answer.log.empty()) {
    log_.Write(LogLevel::kDebug, LogComponent::kApi, "webhook: " + answer.log);
  }
  return {answer.status, std::move(answer.body),
          answer.status == 200 ? "application/json" : "text/plain"};
}

void Webhook::Count(const inject::ReviewAnswer& answer, bool is_policy) {
  switch (answer.result) {
    case inject::ReviewResult::kInjected:
      ++counts_.injected;
      break;
    case inject::ReviewResult::kAllowed:
      ++counts_.policies_allowed;
      break;
    case inject::ReviewResult::kSkipped:
      if (!is_policy) ++counts_.skipped[answer.skip_label];
      break;
    case inject::ReviewResult::kRefused:
      ++(is_policy ? counts_.policies_refused : counts_.refused);
      break;
    case inject::ReviewResult::kInvalid:
      ++counts_.invalid;
  }
}

void Webhook::Warn(const std::string& text) {
  const loop::Instant now = loop_.Now();
  if (lines_ == 0 || now - lines_since_ >= kLinesEvery) {
    lines_since_ = now;
    lines_ = 0;
  }
  if (++lines_ > kMostLines) {
    ++left_out_;
    return;
  }
  const uint64_t left_out = std::exchange(left_out_, 0);
  log_.Write(LogLevel::kWarning, LogComponent::kApi,
             left_out == 0 ? text
                           : absl::StrCat(text, " (", left_out,
                                          " lines about other requests were left out)"));
}

}  // namespace tulle::webhook
