#include "sidecar/config/log_filter_config.h"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sidecar/config/values.h"

namespace tulle::config {
namespace {

namespace accesslog = envoy::config::accesslog::v3;
using envoy::type::v3::FractionalPercent;

// All that Envoy knows, whether or not they can occur here, and BO.
constexpr std::string_view kFlags[] = {"LH", "UH", "UT",  "LR",  "UR",    "UF",   "UC",   "UO",
                                       "NR", "DI", "FI",  "RL",  "UAEX",  "RLSE", "DC",   "URX",
                                       "SI", "IH", "DPE", "UPE", "UMSDR", "RFCF", "NFCF", "DT",
                                       "OM", "DF", "NC",  "DO",  "DR",    "UDO",  "BO"};

Comparison ToComparison(accesslog::ComparisonFilter::Op op) {
  switch (op) {
    case accesslog::ComparisonFilter::GE:
      return Comparison::kAtLeast;
    case accesslog::ComparisonFilter::LE:
      return Comparison::kAtMost;
    case accesslog::ComparisonFilter::NE:
      return Comparison::kNotEqual;
    default:
      return Comparison::kEqual;
  }
}

uint32_t MillionthsOf(const FractionalPercent& percent) {
  const uint64_t scale = percent.denominator() == FractionalPercent::MILLION        ? 1
                         : percent.denominator() == FractionalPercent::TEN_THOUSAND ? 100
                                                                                    : 10'000;
  return static_cast<uint32_t>(std::min<uint64_t>(percent.numerator() * scale, 1'000'000));
}

absl::StatusOr<LogFilter> ToFlags(const accesslog::ResponseFlagFilter& filter,
                                  const FieldPath& at) {
  FlagFilter made{{filter.flags().begin(), filter.flags().end()}};
  for (size_t i = 0; i < made.flags.size(); ++i) {
    if (std::find(std::begin(kFlags), std::end(kFlags), made.flags[i]) == std::end(kFlags)) {
      return (at / "flags")[i].Error(
          absl::StrCat("'", made.flags[i], "' is not a response flag: use one such as UF or NR"));
    }
  }
  return LogFilter{std::move(made)};
}

absl::StatusOr<LogFilter> ToGrpcStatuses(const accesslog::GrpcStatusFilter& filter,
                                         const FieldPath& at) {
  GrpcStatusFilter made{0, filter.exclude()};
  for (int i = 0; i < filter.statuses_size(); ++i) {
    const int status = filter.statuses(i);
    if (status < 0 || status > 16)
      return (at / "statuses")[static_cast<size_t>(i)].Error("is not a gRPC status: use 0 to 16");
    made.statuses |= 1U << status;
  }
  return LogFilter{made};
}

template <typename Group, typename Filters>
absl::StatusOr<LogFilter> ToGroup(const Filters& filters, const FieldPath& at) {
  Group group;
  if (filters.size() < 2) return at.Error("needs at least two filters");
  for (int i = 0; i < filters.size(); ++i) {
    auto part = ToLogFilter(filters[i], at[static_cast<size_t>(i)]);
    if (!part.ok()) return part.status();
    group.parts.push_back(*std::move(part));
  }
  return LogFilter{std::move(group)};
}

absl::StatusOr<LogFilter> ToHeaderFilter(const accesslog::HeaderFilter& filter,
                                         const FieldPath& at) {
  auto spec = ToHeader(filter.header(), at / "header");
  if (!spec.ok()) return spec.status();
  auto header = match::HeaderMatch::Compile(*std::move(spec));
  if (!header.ok()) return (at / "header").Error(std::string(header.status().message()));
  return LogFilter{HeaderFilter{*std::move(header)}};
}

}  // namespace

absl::StatusOr<LogFilter> ToLogFilter(const accesslog::AccessLogFilter& filter,
                                      const FieldPath& at) {
  switch (filter.filter_specifier_case()) {
    case accesslog::AccessLogFilter::kStatusCodeFilter: {
      const accesslog::ComparisonFilter& comparison = filter.status_code_filter().comparison();
      return LogFilter{
          StatusFilter{ToComparison(comparison.op()), comparison.value().default_value()}};
    }
    case accesslog::AccessLogFilter::kDurationFilter: {
      const accesslog::ComparisonFilter& comparison = filter.duration_filter().comparison();
      return LogFilter{
          DurationFilter{ToComparison(comparison.op()), comparison.value().default_value()}};
    }
    case accesslog::AccessLogFilter::kNotHealthCheckFilter:
      return LogFilter{AllOf{}};  // health checks are answered without a log
    case accesslog::AccessLogFilter::kTraceableFilter:
      return LogFilter{TracedFilter{}};
    case accesslog::AccessLogFilter::kRuntimeFilter:
      return LogFilter{ShareFilter{MillionthsOf(filter.runtime_filter().percent_sampled())}};
    case accesslog::AccessLogFilter::kAndFilter:
      return ToGroup<AllOf>(filter.and_filter().filters(), at / "and_filter.filters");
    case accesslog::AccessLogFilter::kOrFilter:
      return ToGroup<AnyOf>(filter.or_filter().filters(), at / "or_filter.filters");
    case accesslog::AccessLogFilter::kHeaderFilter:
      return ToHeaderFilter(filter.header_filter(), at / "header_filter");
    case accesslog::AccessLogFilter::kResponseFlagFilter:
      return ToFlags(filter.response_flag_filter(), at / "response_flag_filter");
    case accesslog::AccessLogFilter::kGrpcStatusFilter:
      return ToGrpcStatuses(filter.grpc_status_filter(), at / "grpc_status_filter");
    default:
      return at.Error(
          "needs a filter by status_code, duration, not_health_check, traceable, runtime, and, or, "
          "header, response_flag or grpc_status: others are not implemented");
  }
}

}  // namespace tulle::config
