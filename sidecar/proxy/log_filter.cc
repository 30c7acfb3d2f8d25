#include "sidecar/proxy/log_filter.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "net/grpc/status.h"
#include "sidecar/policy/per_million.h"
#include "sidecar/proxy/response_flags.h"

namespace tulle::proxy {
namespace {

using config::Comparison;

bool Holds(Comparison comparison, uint64_t value, uint64_t limit) {
  switch (comparison) {
    case Comparison::kEqual:
      return value == limit;
    case Comparison::kAtLeast:
      return value >= limit;
    case Comparison::kAtMost:
      return value <= limit;
    case Comparison::kNotEqual:
      return value != limit;
  }
  return false;
}

uint64_t StatusOf(const EndedRequest& request) {
  return static_cast<uint64_t>(std::max(request.record.status, 0));
}
uint64_t StatusOf(const EndedRelay&) { return 0; }

loop::Duration DurationOf(const EndedRequest& request) {
  return request.record.times.ended - request.record.times.started;
}
loop::Duration DurationOf(const EndedRelay& relay) {
  return relay.record.ended - relay.record.started;
}

// Separated by commas; "-": none.
std::string_view FlagsOf(const EndedRequest& request, std::span<char> scratch) {
  return ResponseFlags(request.record, scratch);
}
std::string_view FlagsOf(const EndedRelay& relay, std::span<char>) {
  return relay.record.failure ? relay.record.failure.facts().flag : "-";
}

int GrpcStatusOf(const EndedRequest& request) {
  const int status = GrpcStatusNumber(request.record.grpc_status);
  return status >= 0 ? status : static_cast<int>(grpc::CodeOfHttp(request.record.status));
}
int GrpcStatusOf(const EndedRelay&) { return static_cast<int>(grpc::Code::kUnknown); }

bool IsTraced(const EndedRequest& request) { return request.record.tracing.spans != nullptr; }
bool IsTraced(const EndedRelay&) { return false; }

const http::Head* RequestHeadOf(const EndedRequest& request) { return request.record.request; }
const http::Head* RequestHeadOf(const EndedRelay&) { return nullptr; }

bool HasFlag(std::string_view all, const std::vector<std::string>& wanted) {
  if (all == "-") return false;
  if (wanted.empty()) return true;
  while (!all.empty()) {
    const size_t comma = all.find(',');
    if (std::find(wanted.begin(), wanted.end(), all.substr(0, comma)) != wanted.end()) return true;
    all = comma == all.npos ? std::string_view() : all.substr(comma + 1);
  }
  return false;
}

template <typename Ended>
class Judge {
 public:
  Judge(const Ended& ended, loop::Random& random) : ended_(ended), random_(random) {}

  bool operator()(const config::LogFilter& filter) const { return std::visit(*this, filter.kind); }
  bool operator()(const config::AllOf& all) const {
    return std::all_of(all.parts.begin(), all.parts.end(), *this);
  }
  bool operator()(const config::AnyOf& any) const {
    return std::any_of(any.parts.begin(), any.parts.end(), *this);
  }
  bool operator()(const config::StatusFilter& filter) const {
    return Holds(filter.comparison, StatusOf(ended_), filter.status);
  }
  bool operator()(const config::DurationFilter& filter) const {
    using std::chrono::milliseconds;
    const auto passed = std::chrono::duration_cast<milliseconds>(DurationOf(ended_)).count();
    return Holds(filter.comparison, static_cast<uint64_t>(passed), filter.milliseconds);
  }
  bool operator()(const config::FlagFilter& filter) const {
    char scratch[64];
    return HasFlag(FlagsOf(ended_, scratch), filter.flags);
  }
  bool operator()(const config::GrpcStatusFilter& filter) const {
    return ((filter.statuses >> GrpcStatusOf(ended_) & 1U) != 0) != filter.exclude;
  }
  bool operator()(const config::ShareFilter& filter) const {
    return policy::IsDrawn(random_.Next(), filter.per_million);
  }
  bool operator()(const config::TracedFilter&) const { return IsTraced(ended_); }
  bool operator()(const config::HeaderFilter& filter) const {
    const http::Head* head = RequestHeadOf(ended_);
    return head != nullptr && filter.header.Matches(*head);
  }

 private:
  const Ended& ended_;
  loop::Random& random_;
};

}  // namespace

bool Passes(const config::LogFilter& filter, const EndedRequest& request, loop::Random& random) {
  return Judge(request, random)(filter);
}

bool Passes(const config::LogFilter& filter, const EndedRelay& relay, loop::Random& random) {
  return Judge(relay, random)(filter);
}

}  // namespace tulle::proxy
