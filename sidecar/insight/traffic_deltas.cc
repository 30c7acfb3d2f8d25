#include "sidecar/insight/traffic_deltas.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "telemetry/families.h"

namespace tulle::sidecar {
namespace {

using insight::v1::Traffic;
using telemetry::IstioLabel;
using telemetry::RouteLabel;
using telemetry::Sample;

static_assert(RouteLabel::kReporter == 0 && IstioLabel::kReporter == 0);

const std::array<const telemetry::FamilySpec*, 5> kFamilies = {
    &telemetry::kRouteRequestDuration, &telemetry::kIstioTcpOpened, &telemetry::kIstioTcpClosed,
    &telemetry::kIstioTcpSent, &telemetry::kIstioTcpReceived};

// In Row::reported: the buckets and the sum of a histogram, or the counters of the other families.
size_t CellOf(std::string_view family) {
  const auto found =
      std::find_if(kFamilies.begin(), kFamilies.end(),
                   [family](const telemetry::FamilySpec* spec) { return spec->name == family; });
  return static_cast<size_t>(found - kFamilies.begin()) - 1;
}

std::string_view Known(const Sample& sample, size_t label) {
  const std::string_view value = sample.labels[label];
  // "other": in the rows of what found no room in a family.
  return value == "unknown" || value == "-" || value == "other" ? std::string_view() : value;
}

bool ReadNumber(std::string_view text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

// In the rows of what found no room codes are classes, such as 5xx: what counts is whether the
// request failed.
bool ReadStatus(std::string_view text, uint32_t& status) {
  if (!text.ends_with("xx")) return ReadNumber(text, status);
  if (!ReadNumber(text.substr(0, 1), status)) return false;
  status *= 100;
  return true;
}

// Where a family has the labels that all have.
struct Places {
  size_t reporter;
  size_t source;
  size_t service;
  size_t destination;
  size_t protocol;
  size_t flags;
  size_t security;
};
constexpr Places kOfRequests = {RouteLabel::kReporter,           RouteLabel::kSourcePrincipal,
                                RouteLabel::kDestinationService, RouteLabel::kDestinationPrincipal,
                                RouteLabel::kProtocol,           RouteLabel::kResponseFlags,
                                RouteLabel::kSecurityPolicy};
constexpr Places kOfConnections = {IstioLabel::kReporter,
                                   IstioLabel::kSourcePrincipal,
                                   IstioLabel::kDestinationService,
                                   IstioLabel::kDestinationPrincipal,
                                   IstioLabel::kRequestProtocol,
                                   IstioLabel::kResponseFlags,
                                   IstioLabel::kConnectionSecurityPolicy};

void Describe(const Sample& sample, const Places& places, insight::v1::Series& series) {
  const auto set = [&](size_t label) { return std::string(Known(sample, label)); };
  series.set_outbound(Known(sample, places.reporter) == "source");
  series.set_source(set(places.source));
  const std::string_view service = sample.labels[places.service];
  series.set_service(service == "other" ? std::string(service) : set(places.service));
  series.set_destination(set(places.destination));
  series.set_protocol(set(places.protocol));
  series.set_response_flags(set(places.flags));
  // The caller has verified the identity that it reports.
  series.set_mutual_tls(series.outbound() ? !series.destination().empty()
                                          : Known(sample, places.security) == "mutual_tls");
}

void DescribeRequests(const Sample& sample, insight::v1::Series& series) {
  Describe(sample, kOfRequests, series);
  uint32_t code = 0;
  if (ReadStatus(Known(sample, RouteLabel::kResponseCode), code)) series.set_response_code(code);
  if (ReadNumber(Known(sample, RouteLabel::kGrpcStatus), code)) series.set_grpc_status(code);
  series.set_route(std::string(Known(sample, RouteLabel::kRoute)));
  series.set_called(std::string(Known(sample, RouteLabel::kCalledService)));
}

void AddRequests(const Sample& sample, uint32_t id, const std::vector<uint64_t>& reported,
                 Traffic& traffic) {
  insight::v1::Requests& requests = *traffic.add_requests();
  requests.set_series(id);
  size_t used = sample.buckets.size();
  while (used != 0 && sample.buckets[used - 1] == reported[used - 1]) --used;
  for (size_t i = 0; i < used; ++i)
    requests.add_buckets(static_cast<uint32_t>(sample.buckets[i] - reported[i]));
  requests.set_milliseconds(sample.value - static_cast<double>(reported.back()));
}

void AddConnections(size_t cell, uint32_t id, uint64_t gained, Traffic& traffic) {
  insight::v1::Connections& connections = *traffic.add_connections();
  connections.set_series(id);
  switch (cell) {
    case 0:
      return connections.set_opened(gained);
    case 1:
      return connections.set_closed(gained);
    case 2:
      return connections.set_sent(gained);
    default:
      return connections.set_received(gained);
  }
}

// Its series had expired since the last report.
bool BeganAgain(const Sample& sample, const std::vector<uint64_t>& reported) {
  return !std::equal(sample.buckets.begin(), sample.buckets.end(), reported.begin(),
                     std::greater_equal<>());
}

bool HasGained(const Sample& sample, const std::vector<uint64_t>& reported) {
  return !std::equal(sample.buckets.begin(), sample.buckets.end(), reported.begin());
}

void Remember(const Sample& sample, std::vector<uint64_t>& reported) {
  std::copy(sample.buckets.begin(), sample.buckets.end(), reported.begin());
  reported.back() = static_cast<uint64_t>(sample.value);
}

}  // namespace

std::span<const telemetry::FamilySpec* const> TrafficFamilies() { return kFamilies; }

void TrafficDeltas::Begin(bool skip) {
  last_id_ = 0;
  skip_ = skip;
  for (auto& [labels, row] : rows_) row.id = 0;
}

bool TrafficDeltas::AddTo(const std::vector<telemetry::FamilySamples>& families, Traffic& traffic) {
  ++report_;
  for (const telemetry::FamilySamples& family : families) AddFamily(family, traffic);
  absl::erase_if(rows_, [this](const auto& row) { return row.second.report != report_; });
  skip_ = false;
  return traffic.requests_size() != 0 || traffic.connections_size() != 0;
}

void TrafficDeltas::AddFamily(const telemetry::FamilySamples& family, Traffic& traffic) {
  const bool is_histogram = family.spec.kind == telemetry::MetricKind::kHistogram;
  const size_t cell = is_histogram ? 0 : CellOf(family.spec.name);
  for (const Sample& sample : family.samples) {
    Row& row = rows_[sample.labels];
    row.report = report_;
    if (row.reported.empty())
      row.reported.resize(is_histogram ? sample.buckets.size() + 1 : kFamilies.size() - 1);
    if (is_histogram) {
      if (BeganAgain(sample, row.reported)) std::fill(row.reported.begin(), row.reported.end(), 0);
    } else if (sample.count < row.reported[cell]) {
      row.reported[cell] = 0;
    }
    const bool has_gained =
        is_histogram ? HasGained(sample, row.reported) : sample.count != row.reported[cell];
    if (!has_gained) continue;
    if (!skip_) {
      if (row.id == 0 && traffic.series_size() == kMostSeries) continue;
      Name(row, sample, traffic);
      if (is_histogram) {
        AddRequests(sample, row.id, row.reported, traffic);
      } else {
        AddConnections(cell, row.id, sample.count - row.reported[cell], traffic);
      }
    }
    if (is_histogram) {
      Remember(sample, row.reported);
    } else {
      row.reported[cell] = sample.count;
    }
  }
}

void TrafficDeltas::Name(Row& row, const Sample& sample, Traffic& traffic) {
  if (row.id != 0) return;
  row.id = ++last_id_;
  insight::v1::Series& series = *traffic.add_series();
  series.set_id(row.id);
  if (sample.buckets.empty()) return Describe(sample, kOfConnections, series);
  DescribeRequests(sample, series);
}

}  // namespace tulle::sidecar
