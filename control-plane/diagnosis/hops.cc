#include "control-plane/diagnosis/hops.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "certs/spiffe_names.h"

namespace tulle::diagnosis {
namespace {

bool IsOutbound(const Json& record) { return TrueAt(record, "/outbound"); }

int64_t StartOf(const Json& record) { return NumberAt(record, "/startedMicros"); }

bool AreEqual(const Json& one, const std::string& its, const Json& other,
              const std::string& others) {
  const std::string text = TextAt(one, its);
  return !text.empty() && text == TextAt(other, others);
}

// Whether `record` can be what `parent` led to.
bool LedTo(const Json& parent, const Json& record) {
  if (IsOutbound(parent) == IsOutbound(record)) return false;
  if (IsOutbound(record)) {
    // A call of the workload that was handling the parent. Both times are of one clock.
    if (StartOf(parent) > StartOf(record)) return false;
    return AreEqual(parent, "/proxy", record, "/proxy") ||
           (TextAt(parent, "/proxy").empty() &&
            AreEqual(parent, "/destination", record, "/source"));
  }
  if (!AreEqual(parent, "/source", record, "/source")) return false;
  return AreEqual(parent, "/destination", record, "/destination") ||
         AreEqual(parent, "/service", record, "/service");
}

// Of those that can be, the one that started most closely. -1: none.
int ParentOf(const std::vector<Json>& records, size_t of) {
  int best = -1;
  int64_t distance = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    if (i == of || !LedTo(records[i], records[of])) continue;
    const int64_t between = std::abs(StartOf(records[of]) - StartOf(records[i]));
    if (best >= 0 && between >= distance) continue;
    best = static_cast<int>(i);
    distance = between;
  }
  return best;
}

class Walk {
 public:
  explicit Walk(std::vector<Json> records) : records_(std::move(records)) {
    for (size_t i = 0; i < records_.size(); ++i) parents_.push_back(ParentOf(records_, i));
    taken_.resize(records_.size());
  }
  std::vector<Hop> Hops() {
    for (size_t i = 0; i < records_.size(); ++i) {
      if (parents_[i] < 0) Visit(i, 0, -1);
    }
    // What forms a circle has no first one.
    for (size_t i = 0; i < records_.size(); ++i) Visit(i, 0, -1);
    return std::move(hops_);
  }

 private:
  void Visit(size_t at, size_t depth, int parent) {
    if (taken_[at]) return;
    taken_[at] = true;
    const int self = static_cast<int>(hops_.size());
    hops_.push_back({records_[at], depth, parent});
    for (size_t i = 0; i < records_.size(); ++i) {
      if (parents_[i] == static_cast<int>(at)) Visit(i, depth + 1, self);
    }
  }

  std::vector<Json> records_;
  std::vector<int> parents_;
  std::vector<bool> taken_;
  std::vector<Hop> hops_;
};

}  // namespace

std::vector<Hop> OrderedHops(const Json& records) {
  std::vector<Json> all(records.begin(), records.end());
  std::stable_sort(all.begin(), all.end(), [](const Json& one, const Json& other) {
    if (StartOf(one) != StartOf(other)) return StartOf(one) < StartOf(other);
    return IsOutbound(one) && !IsOutbound(other);
  });
  return Walk(std::move(all)).Hops();
}

std::string ShortWorkload(const std::string& spiffe_id) {
  const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
  if (names.account.empty()) return spiffe_id;
  return std::string(names.account) + "." + std::string(names.namespace_name);
}

std::string ShortService(const std::string& host) { return host.substr(0, host.find(".svc.")); }

std::string PolicyText(const std::string& policy) {
  // ns[NAMESPACE]-policy[NAME]-rule[0], or -mode[STRICT] at the end.
  const auto part = [&](const std::string& word) {
    const size_t at = policy.find(word + "[");
    if (at == std::string::npos) return std::string();
    const size_t begin = at + word.size() + 1;
    const size_t end = policy.find(']', begin);
    return end == std::string::npos ? std::string() : policy.substr(begin, end - begin);
  };
  const std::string name = part("policy");
  if (name.empty()) return policy;
  const std::string mode = part("mode");
  const std::string kind = mode.empty() ? "AuthorizationPolicy " : "PeerAuthentication ";
  std::string text = kind + part("ns") + "/" + name;
  if (!mode.empty()) return text + ", mode " + mode;
  const std::string rule = part("rule");
  return rule.empty() ? text : text + ", rule " + rule;
}

std::string MicrosText(int64_t micros) {
  char text[32];
  if (micros < 1'000'000) {
    const double millis = static_cast<double>(micros) / 1e3;
    std::snprintf(text, sizeof text,
                  micros < 100      ? "%.2fms"
                  : micros < 10'000 ? "%.1fms"
                                    : "%.0fms",
                  millis);
  } else {
    std::snprintf(text, sizeof text, "%.2fs", static_cast<double>(micros) / 1e6);
  }
  return text;
}

std::vector<std::string> MissingIn(const std::vector<Hop>& hops) {
  std::vector<std::string> missing;
  for (const Hop& hop : hops) {
    const Json& record = hop.record;
    const std::string caller = ShortWorkload(TextAt(record, "/source"));
    if (TrueAt(record, "/outbound") || hop.parent >= 0 || caller.empty()) continue;
    missing.push_back(absl::StrCat("the sidecar of ", caller, ", which called ",
                                   ShortWorkload(TextAt(record, "/destination"))));
  }
  return missing;
}

}  // namespace tulle::diagnosis
