#include "sidecar/recorder/record_filter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/spiffe_names.h"
#include "telemetry/called_service.h"

namespace tulle::recorder {
namespace {

using insight::v1::RequestFilter;

constexpr size_t kLongestText = 256;
constexpr int kMostStatuses = 8;
constexpr uint64_t kNanosecondsInMillisecond = 1'000'000;

absl::Status CheckText(std::string_view name, const std::string& text) {
  if (text.size() <= kLongestText) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(absl::string_view(name.data(), name.size()), ": longer than ", kLongestText));
}

// The same, as far as the record has it.
bool IsText(std::string_view kept, Text text, std::string_view wanted) {
  const size_t share = size_t{kShares[static_cast<size_t>(text)]} * sizeof(uint64_t);
  return kept == wanted || (kept.size() >= share && wanted.starts_with(kept));
}

}  // namespace

absl::StatusOr<RecordFilter> RecordFilter::Make(RequestFilter filter, std::string own) {
  absl::Status status;
  status.Update(CheckText("id", filter.id()));
  status.Update(CheckText("service", filter.service()));
  status.Update(CheckText("method", filter.method()));
  status.Update(CheckText("path_prefix", filter.path_prefix()));
  status.Update(CheckText("source", filter.source()));
  status.Update(CheckText("namespace", filter.namespace_()));
  if (!status.ok()) return status;
  if (filter.statuses_size() > kMostStatuses)
    return absl::InvalidArgumentError(absl::StrCat("statuses: at most ", kMostStatuses));
  if (filter.limit() > kMostRecords)
    return absl::InvalidArgumentError(absl::StrCat("limit: at most ", kMostRecords));
  return RecordFilter(std::move(filter), std::move(own));
}

RecordFilter::RecordFilter(RequestFilter filter, std::string own)
    : filter_(std::move(filter)), own_(std::move(own)) {}

bool RecordFilter::Matches(const Record& record) const {
  return MatchesNumbers(record) && MatchesId(record) && MatchesService(record) &&
         (filter_.method().empty() || record[Text::kMethod] == filter_.method()) &&
         record[Text::kPath].starts_with(filter_.path_prefix()) && MatchesSource(record);
}

bool RecordFilter::MatchesNumbers(const Record& record) const {
  const Numbers& numbers = record.numbers();
  if (filter_.failed_only() && !record.Has(kFailed)) return false;
  const auto has_status = [&](const insight::v1::StatusRange& range) {
    return numbers.status >= range.lowest() && numbers.status <= range.highest();
  };
  const auto& statuses = filter_.statuses();
  if (!statuses.empty() && std::none_of(statuses.begin(), statuses.end(), has_status)) return false;
  const uint64_t most = filter_.at_most_milliseconds();
  if (most != 0 && numbers.ended > most * kNanosecondsInMillisecond) return false;
  return numbers.ended / kNanosecondsInMillisecond >= filter_.at_least_milliseconds();
}

bool RecordFilter::MatchesId(const Record& record) const {
  const std::string& id = filter_.id();
  return id.empty() || IsText(record[Text::kRequestId], Text::kRequestId, id) ||
         IsText(record[Text::kTraceId], Text::kTraceId, id);
}

bool RecordFilter::MatchesService(const Record& record) const {
  if (filter_.service().empty() && filter_.namespace_().empty()) return true;
  const telemetry::CalledService called{record[Text::kService], record[Text::kAuthority],
                                        certs::WorkloadNamesOf(SourceOf(record)).namespace_name};
  return (filter_.service().empty() || telemetry::IsCalled(called, filter_.service())) &&
         (filter_.namespace_().empty() || telemetry::IsInNamespace(called, filter_.namespace_()));
}

std::string_view RecordFilter::SourceOf(const Record& record) const {
  const std::string_view source = record[Text::kSource];
  return source.empty() && record.Has(kOutbound) ? own_ : source;
}

bool RecordFilter::MatchesSource(const Record& record) const {
  const std::string& wanted = filter_.source();
  if (wanted.empty()) return true;
  const std::string_view source = SourceOf(record);
  if (source == wanted) return true;
  const certs::WorkloadNames names = certs::WorkloadNamesOf(source);
  const size_t dot = names.account.size();
  return !names.account.empty() && wanted.size() == dot + 1 + names.namespace_name.size() &&
         wanted.starts_with(names.account) && wanted[dot] == '.' &&
         wanted.ends_with(names.namespace_name);
}

}  // namespace tulle::recorder
