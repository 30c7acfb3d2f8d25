#include "control-plane/insight/traffic_stream.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace tulle::insight {
namespace {

bool IsName(const std::string& text) {
  return text.size() <= TrafficStream::kLongestName &&
         std::none_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return byte < 0x20 || byte >= 0x7f;
         });
}

// The texts that make rows and outcomes come from closed lists, so that their number is bounded.
bool IsProtocol(const std::string& text) {
  return text.empty() || text == "http" || text == "grpc" || text == "tcp";
}

bool IsStatus(uint32_t code) { return code == 0 || (code >= 100 && code <= 999); }

bool IsGrpcStatus(const v1::Series& series) {
  constexpr uint32_t kUnauthenticated = 16;  // the last one
  return !series.has_grpc_status() || series.grpc_status() <= kUnauthenticated;
}

bool IsFlag(std::string_view flag) {
  // Source: the tables of failures (net/base/failure.cc, and failures.cc of the sidecar), and
  // sidecar/proxy/response_flags.cc.
  constexpr std::string_view kFlags[] = {"UH", "BO", "UF", "UO",   "NR",  "URX", "NC",
                                         "DC", "UT", "UC", "UR",   "DPE", "UPE", "SI",
                                         "DT", "RL", "DI", "UAEX", "FI",  "OM"};
  return std::find(std::begin(kFlags), std::end(kFlags), flag) != std::end(kFlags);
}

// Those of `text` that are known: a newer sidecar may have others.
std::string KnownFlags(const std::string& text) {
  constexpr size_t kMostFlags = 3;
  std::vector<std::string> known = absl::StrSplit(text, ',');
  std::erase_if(known, [](const std::string& flag) { return !IsFlag(flag); });
  if (known.size() > kMostFlags) known.resize(kMostFlags);
  return absl::StrJoin(known, ",");
}

uint64_t Sum(uint64_t one, uint64_t other) {
  return one > UINT64_MAX - other ? UINT64_MAX : one + other;
}

// Of TCP connections, by the flag with which they ended. What the caller has ended, or nobody has
// used for long, has not failed.
Connections GainedBy(const v1::Connections& report, const std::string& flags) {
  Connections gained{report.opened(), report.closed(), report.sent(), report.received()};
  if (flags == "UAEX") {
    gained.denied = report.closed();
  } else if (!flags.empty() && flags != "DC" && flags != "DPE" && flags != "DT" && flags != "SI") {
    gained.failed = report.closed();
  }
  return gained;
}

}  // namespace

bool IsValid(const Edge& edge) {
  return IsName(edge.source) && IsName(edge.service) && IsName(edge.destination) &&
         IsName(edge.route) && IsName(edge.called) && IsProtocol(edge.protocol);
}

bool TrafficStream::Name(const v1::Series& series) {
  if (series_.size() >= kMostSeries || series_.contains(series.id())) return false;
  Edge edge{series.source(),   series.service(),    series.destination(), series.protocol(),
            series.outbound(), series.mutual_tls(), series.route(),       series.called()};
  if (!IsValid(edge) || !IsStatus(series.response_code()) || !IsGrpcStatus(series)) return false;
  if (!share_.AddSeries()) return false;
  (edge.outbound ? edge.source : edge.destination) = reporter_;
  if (!edge.outbound) {
    if (!serves_(edge.service, reporter_)) edge.service.clear();
    edge.route.clear();
    edge.called.clear();
  }
  Outcome outcome{series.response_code(),
                  series.has_grpc_status() ? static_cast<int>(series.grpc_status()) : -1,
                  KnownFlags(series.response_flags())};
  series_.emplace(series.id(), Series{book_.RowOf(edge), std::move(outcome)});
  return true;
}

const TrafficStream::Series* TrafficStream::Find(uint32_t id) const {
  const auto found = series_.find(id);
  return found == series_.end() ? nullptr : &found->second;
}

bool TrafficStream::IsPossible(const v1::Traffic& traffic, int64_t now) {
  constexpr int64_t kFirst = 120;
  constexpr int64_t kLongest = 3600;
  // The clock has whole seconds, and may be set back.
  const int64_t since =
      last_report_ == 0 ? kFirst : std::clamp<int64_t>(now - last_report_ + 1, 1, kLongest);
  uint64_t requests = 0;
  uint64_t bytes = 0;
  for (const v1::Requests& each : traffic.requests()) {
    for (const uint32_t count : each.buckets()) requests += count;
  }
  for (const v1::Connections& each : traffic.connections()) {
    requests = Sum(requests, Sum(each.opened(), each.closed()));
    bytes = Sum(bytes, Sum(each.sent(), each.received()));
  }
  last_report_ = now;
  const auto seconds = static_cast<uint64_t>(since);
  return requests <= seconds * kMostRequestsPerSecond && bytes <= seconds * kMostBytesPerSecond;
}

bool TrafficStream::Add(const v1::Traffic& traffic, int64_t now) {
  if (!IsPossible(traffic, now)) return false;
  for (const v1::Series& series : traffic.series()) {
    if (!Name(series)) return false;
  }
  for (const v1::Requests& requests : traffic.requests()) {
    const Series* series = Find(requests.series());
    if (series == nullptr || static_cast<size_t>(requests.buckets_size()) > kBuckets) return false;
    book_.AddRequests(*series->row, series->outcome,
                      {requests.buckets().data(), static_cast<size_t>(requests.buckets_size())},
                      now);
  }
  for (const v1::Connections& each : traffic.connections()) {
    const Series* series = Find(each.series());
    if (series == nullptr) return false;
    book_.AddConnections(*series->row, GainedBy(each, series->outcome.flags), now);
  }
  return true;
}

}  // namespace tulle::insight
