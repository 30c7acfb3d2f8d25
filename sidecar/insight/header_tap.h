#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sidecar/recorder/header_watch.h"
#include "sidecar/recorder/record_filter.h"
#include "tulle/insight/v1/insight.pb.h"

namespace tulle::sidecar {

// The part of a tap that shows headers or looks for them: workers offer it the requests that end,
// and those that match wait here until they are sent. Values that may be secrets are not copied,
// unless the tap asks for them. How many wait, and how long names and values are, is bounded.
class HeaderTap final : public recorder::HeaderReader {
 public:
  static constexpr size_t kMostWaiting = 100;
  static constexpr int kMostConditions = 4;
  static constexpr size_t kMostHeaders = 48;  // of a request, and of a response
  static constexpr size_t kLongestName = 64;
  static constexpr size_t kLongestValue = 256;

  struct Seen {
    recorder::Record record;
    insight::v1::RequestRecord headers;  // nothing else is set
  };
  struct Taken {
    std::vector<Seen> requests;
    uint64_t left_out = 0;  // that matched, and were too many
  };

  // Whether the question needs one.
  static bool IsNeeded(const insight::v1::Question& question);
  // An error says which condition is not allowed. `filter`: of the same question.
  static absl::StatusOr<std::shared_ptr<HeaderTap>> Make(const insight::v1::Question& question,
                                                         recorder::RecordFilter filter);

  // Any worker's thread.
  void OnEnd(const recorder::Record& record, const http::Head* request,
             const http::Head* response) override;
  // The main thread. Those since the last call.
  Taken Take();

 private:
  HeaderTap(const insight::v1::Question& question, recorder::RecordFilter filter);
  bool HasAll(const http::Head* request) const;

  const recorder::RecordFilter filter_;
  const std::vector<insight::v1::HeaderFilter> conditions_;
  const insight::v1::HeaderView view_;
  std::mutex mutex_;
  Taken waiting_;
};

}  // namespace tulle::sidecar
