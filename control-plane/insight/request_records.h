// Records of requests as sidecars send them: made safe to keep and to show, and compared with a
// filter. Pure; any thread. Source: tulle/insight/v1/insight.proto.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tulle/insight/v1/insight.pb.h"

namespace tulle::insight {

// Longer texts are cut.
inline constexpr size_t kLongestText = 512;
// Of one record.
inline constexpr int kMostDecisions = 128;
inline constexpr size_t kMostDecisionText = 8 * 1024;
inline constexpr int kMostHeaders = 48;  // of a request, and of a response

// Who sends records: what its certificate and its ADS stream say.
struct Reporter {
  std::string spiffe_id;
  std::string proxy;  // node ID; empty: not known
  // Whether it is a workload of the service of this host.
  std::function<bool(const std::string& host)> serves;
};

// What a sidecar says of itself is replaced by what its certificate says; the name of a service
// that it does not serve is left out. Texts are cut, control characters become blanks, and what
// lies in the future of `now_micros` is taken for now.
void MakeSafe(v1::RequestRecord& record, const Reporter& reporter, int64_t now_micros);
// The same for one text.
std::string SafeText(std::string text, size_t longest = kLongestText);

// In memory, roughly.
size_t BytesOf(const v1::RequestRecord& record);

// The newest of them, at most `most`, newest first. If there are more, identities take turns, each
// with its newest one, so that none takes the place of others by many records or by late ones.
// REQUIRES: they are safe.
std::vector<v1::RequestRecord> FairlyCut(std::vector<v1::RequestRecord> records, size_t most);

// Whether all that is set in the filter holds; `limit` is not looked at.
bool Matches(const v1::RequestFilter& filter, const v1::RequestRecord& record);

}  // namespace tulle::insight
