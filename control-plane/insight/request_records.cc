#include "control-plane/insight/request_records.h"

#include <algorithm>
#include <map>
#include <utility>

#include "certs/spiffe_names.h"
#include "telemetry/called_service.h"

namespace tulle::insight {
namespace {

constexpr uint64_t kMicrosPerMilli = 1000;
constexpr size_t kLeastKeptId = 32;

// Where a character of UTF-8 begins, at or before `at`.
size_t CharacterAt(std::string_view text, size_t at) {
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
  return at;
}

void MakeSafe(std::string* text) { *text = SafeText(std::move(*text)); }

// Sidecars cut what is longer.
bool IsRequest(const std::string& id, const std::string& kept) {
  return kept == id || (kept.size() >= kLeastKeptId && id.starts_with(kept));
}

bool IsOf(const std::string& id, const v1::RequestRecord& record) {
  return IsRequest(id, record.request_id()) ||
         (!record.trace_id().empty() && record.trace_id() == id);
}

bool IsFrom(const std::string& source, const std::string& spiffe_id) {
  if (source == spiffe_id) return true;
  const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
  if (names.account.empty() || !source.starts_with(names.account)) return false;
  const std::string_view rest = std::string_view(source).substr(names.account.size());
  return rest.empty() || (rest[0] == '.' && rest.substr(1) == names.namespace_name);
}

bool IsTo(const v1::RequestFilter& filter, const v1::RequestRecord& record) {
  const telemetry::CalledService called{record.service(), record.authority(),
                                        certs::WorkloadNamesOf(record.source()).namespace_name};
  return (filter.service().empty() || telemetry::IsCalled(called, filter.service())) &&
         (filter.namespace_().empty() || telemetry::IsInNamespace(called, filter.namespace_()));
}

}  // namespace

std::string SafeText(std::string text, size_t longest) {
  if (text.size() > longest) text.resize(CharacterAt(text, longest));
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

namespace {

void MakeDecisionsSafe(v1::RequestRecord& record) {
  int kept = 0;
  size_t bytes = 0;
  for (v1::Decision& decision : *record.mutable_decisions()) {
    MakeSafe(decision.mutable_kind());
    MakeSafe(decision.mutable_subject());
    MakeSafe(decision.mutable_reason());
    bytes += decision.kind().size() + decision.subject().size() + decision.reason().size();
    if (kept == kMostDecisions || bytes > kMostDecisionText) break;
    ++kept;
  }
  record.mutable_decisions()->DeleteSubrange(kept, record.decisions_size() - kept);
}

}  // namespace

// Names and values of strangers: as many and as long as sidecars send.
void MakeHeadersSafe(google::protobuf::RepeatedPtrField<v1::ShownHeader>& headers) {
  if (headers.size() > kMostHeaders)
    headers.DeleteSubrange(kMostHeaders, headers.size() - kMostHeaders);
  for (v1::ShownHeader& header : headers) {
    MakeSafe(header.mutable_name());
    MakeSafe(header.mutable_value());
  }
}

void MakeSafe(v1::RequestRecord& record, const Reporter& reporter, int64_t now_micros) {
  for (std::string* text :
       {record.mutable_request_id(), record.mutable_trace_id(), record.mutable_method(),
        record.mutable_authority(), record.mutable_path(), record.mutable_response_flags(),
        record.mutable_cause(), record.mutable_detail(), record.mutable_source(),
        record.mutable_source_address(), record.mutable_service(), record.mutable_route(),
        record.mutable_cluster(), record.mutable_endpoint(), record.mutable_destination(),
        record.mutable_policy(), record.mutable_configuration()}) {
    MakeSafe(text);
  }
  record.set_proxy(reporter.proxy);
  (record.outbound() ? record.mutable_source() : record.mutable_destination())
      ->assign(reporter.spiffe_id);
  if (!record.outbound() && !reporter.serves(record.service())) record.clear_service();
  record.set_started_micros(std::clamp<int64_t>(record.started_micros(), 0, now_micros));
  record.set_configured_micros(std::clamp<int64_t>(record.configured_micros(), 0, now_micros));
  MakeDecisionsSafe(record);
  MakeHeadersSafe(*record.mutable_request_headers());
  MakeHeadersSafe(*record.mutable_response_headers());
  record.DiscardUnknownFields();
  // A copy has no more memory than its texts.
  record = v1::RequestRecord(record);
}

size_t BytesOf(const v1::RequestRecord& record) { return record.SpaceUsedLong(); }

std::vector<v1::RequestRecord> FairlyCut(std::vector<v1::RequestRecord> records, size_t most) {
  std::stable_sort(records.begin(), records.end(), [](const auto& one, const auto& other) {
    return one.started_micros() > other.started_micros();
  });
  if (records.size() <= most) return records;
  std::map<std::string_view, size_t> turns;      // by identity
  std::vector<std::pair<size_t, size_t>> order;  // turn, and place in `records`
  for (size_t i = 0; i < records.size(); ++i) {
    const v1::RequestRecord& record = records[i];
    order.emplace_back(turns[record.outbound() ? record.source() : record.destination()]++, i);
  }
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(most), order.end());
  order.resize(most);
  std::sort(order.begin(), order.end(),
            [](const auto& one, const auto& other) { return one.second < other.second; });
  std::vector<v1::RequestRecord> kept;
  for (const auto& [turn, place] : order) kept.push_back(std::move(records[place]));
  return kept;
}

bool Matches(const v1::RequestFilter& filter, const v1::RequestRecord& record) {
  if (!filter.id().empty() && !IsOf(filter.id(), record)) return false;
  if (!IsTo(filter, record)) return false;
  if (!filter.method().empty() && filter.method() != record.method()) return false;
  if (!record.path().starts_with(filter.path_prefix())) return false;
  if (!filter.source().empty() && !IsFrom(filter.source(), record.source())) return false;
  if (filter.failed_only() && !record.failed()) return false;
  const auto has_status = [&](const v1::StatusRange& range) {
    return record.status() >= range.lowest() && record.status() <= range.highest();
  };
  const auto& statuses = filter.statuses();
  if (!statuses.empty() && std::none_of(statuses.begin(), statuses.end(), has_status)) return false;
  const uint64_t most = filter.at_most_milliseconds();
  if (most != 0 && record.ended() > most * kMicrosPerMilli) return false;
  return record.ended() >= filter.at_least_milliseconds() * kMicrosPerMilli;
}

}  // namespace tulle::insight
