#include "sidecar/insight/header_tap.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sidecar/recorder/record_message.h"
#include "telemetry/secret_headers.h"

namespace tulle::sidecar {
namespace {

using Header = insight::v1::ShownHeader;
using insight::v1::HeaderFilter;
using insight::v1::RequestRecord;

absl::string_view Text(std::string_view text) { return {text.data(), text.size()}; }

// A URL's query may have secrets.
bool IsUrl(std::string_view value) {
  return value.starts_with("/") || value.find("://") != std::string_view::npos;
}

void Show(const http::Header& header, bool all_values, Header& shown) {
  shown.set_name(recorder::Printable(header.name.substr(0, HeaderTap::kLongestName)));
  std::string_view value = header.value;
  if (!all_values && telemetry::IsSecretHeader(header.name)) {
    value = {};
    shown.set_redacted(true);
  }
  const size_t query = all_values || !IsUrl(value) ? value.npos : value.find('?');
  if (query != value.npos) {
    value = value.substr(0, query + 1);
    shown.set_redacted(true);
  }
  shown.set_value(recorder::Printable(value.substr(0, HeaderTap::kLongestValue)));
}

template <typename Add>
uint32_t ShowAll(const http::Head* head, bool all_values, Add add) {
  if (head == nullptr) return 0;
  const auto headers = head->headers.all();
  const size_t shown = std::min(headers.size(), HeaderTap::kMostHeaders);
  for (const http::Header& header : headers.first(shown)) Show(header, all_values, *add());
  return static_cast<uint32_t>(headers.size() - shown);
}

absl::Status Check(const HeaderFilter& condition, insight::v1::HeaderView view) {
  if (condition.name().empty() || condition.name().size() > HeaderTap::kLongestName ||
      condition.value().size() > HeaderTap::kLongestValue) {
    return absl::InvalidArgumentError("headers: a name or a value is empty or too long");
  }
  // Who may not see a value must not find it by guessing either.
  if (condition.has_value() && view != insight::v1::ALL_VALUES &&
      telemetry::IsSecretHeader(condition.name())) {
    return absl::InvalidArgumentError(
        absl::StrCat("headers: the value of ", condition.name(),
                     " may be a secret: look for its name alone, or do not redact"));
  }
  return absl::OkStatus();
}

std::vector<HeaderFilter> ConditionsOf(const insight::v1::Question& question) {
  const auto& headers = question.tap().headers();
  return {headers.begin(), headers.end()};
}

}  // namespace

bool HeaderTap::IsNeeded(const insight::v1::Question& question) {
  return question.headers() != insight::v1::NO_HEADERS || !question.tap().headers().empty();
}

absl::StatusOr<std::shared_ptr<HeaderTap>> HeaderTap::Make(const insight::v1::Question& question,
                                                           recorder::RecordFilter filter) {
  if (question.tap().headers_size() > kMostConditions)
    return absl::InvalidArgumentError(absl::StrCat("headers: at most ", kMostConditions));
  for (const HeaderFilter& condition : question.tap().headers()) {
    if (absl::Status bad = Check(condition, question.headers()); !bad.ok()) return bad;
  }
  return std::shared_ptr<HeaderTap>(new HeaderTap(question, std::move(filter)));
}

HeaderTap::HeaderTap(const insight::v1::Question& question, recorder::RecordFilter filter)
    : filter_(std::move(filter)), conditions_(ConditionsOf(question)), view_(question.headers()) {}

bool HeaderTap::HasAll(const http::Head* request) const {
  return std::all_of(conditions_.begin(), conditions_.end(), [&](const HeaderFilter& condition) {
    if (request == nullptr) return false;
    const auto headers = request->headers.all();
    return std::any_of(headers.begin(), headers.end(), [&](const http::Header& header) {
      return absl::EqualsIgnoreCase(Text(header.name), condition.name()) &&
             (!condition.has_value() || header.value == condition.value());
    });
  });
}

void HeaderTap::OnEnd(const recorder::Record& record, const http::Head* request,
                      const http::Head* response) {
  if (!filter_.Matches(record) || !HasAll(request)) return;
  const std::scoped_lock lock(mutex_);
  if (waiting_.requests.size() >= kMostWaiting) {
    ++waiting_.left_out;
    return;
  }
  RequestRecord& shown = waiting_.requests.emplace_back(Seen{record, {}}).headers;
  if (view_ == insight::v1::NO_HEADERS) return;
  const bool all_values = view_ == insight::v1::ALL_VALUES;
  shown.set_headers_left_out(
      ShowAll(request, all_values, [&] { return shown.add_request_headers(); }) +
      ShowAll(response, all_values, [&] { return shown.add_response_headers(); }));
}

HeaderTap::Taken HeaderTap::Take() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(waiting_, {});
}

}  // namespace tulle::sidecar
