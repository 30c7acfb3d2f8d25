#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "sidecar/recorder/record.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::recorder {

// Which records are wanted. A value; any thread. Source: RequestFilter of
// tulle/insight/v1/insight.proto.
class RecordFilter {
 public:
  static constexpr uint32_t kMostRecords = 1000;

  // An error says which field is wrong. `own`: SPIFFE ID of this workload, which is the caller of
  // outbound requests.
  static absl::StatusOr<RecordFilter> Make(insight::v1::RequestFilter filter, std::string own);

  bool Matches(const Record& record) const;
  // 0: none was given.
  uint32_t limit() const { return filter_.limit(); }

 private:
  RecordFilter(insight::v1::RequestFilter filter, std::string own);
  bool MatchesNumbers(const Record& record) const;
  bool MatchesId(const Record& record) const;
  bool MatchesService(const Record& record) const;
  bool MatchesSource(const Record& record) const;
  // SPIFFE ID of the caller.
  std::string_view SourceOf(const Record& record) const;

  insight::v1::RequestFilter filter_;
  std::string own_;
};

}  // namespace tulle::recorder
