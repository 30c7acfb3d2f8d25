#include "control-plane/insight/traffic_stream.h"

#include <algorithm>
#include <utility>

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

bool AreFlags(const std::string& text) {
  return text.size() <= TrafficStream::kLongestFlags &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'A' && c <= 'Z') || c == ','; });
}

}  // namespace

bool TrafficStream::Name(const v1::Series& series) {
  if (series_.size() >= kMostSeries || series_.contains(series.id())) return false;
  for (const std::string* text : {&series.source(), &series.service(), &series.destination()}) {
    if (!IsName(*text)) return false;
  }
  if (!IsProtocol(series.protocol()) || !AreFlags(series.response_flags())) return false;
  Edge edge{series.source(),   series.service(),  series.destination(),
            series.protocol(), series.outbound(), series.mutual_tls()};
  (edge.outbound ? edge.source : edge.destination) = reporter_;
  if (!edge.outbound && !serves_(edge.service, reporter_)) edge.service.clear();
  Outcome outcome{series.response_code(),
                  series.has_grpc_status() ? static_cast<int>(series.grpc_status()) : -1,
                  series.response_flags()};
  series_.emplace(series.id(), Series{book_.RowOf(edge), std::move(outcome)});
  return true;
}

const TrafficStream::Series* TrafficStream::Find(uint32_t id) const {
  const auto found = series_.find(id);
  return found == series_.end() ? nullptr : &found->second;
}

bool TrafficStream::Add(const v1::Traffic& traffic, int64_t now) {
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
    book_.AddConnections(*series->row, {each.opened(), each.closed(), each.sent(), each.received()},
                         now);
  }
  return true;
}

}  // namespace tulle::insight
