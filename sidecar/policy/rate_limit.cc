// Builds descriptors of requests and takes tokens from their buckets.
#include "sidecar/policy/rate_limit.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "sidecar/policy/per_million.h"

namespace tulle::policy {
namespace {

// FNV-1a with a final mix, because slots are chosen by the low bits.
uint64_t HashOf(uint64_t seed, std::string_view text) {
  for (const char c : text) seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  seed = (seed ^ 0xff) * 0x100000001b3u;
  return seed ^ (seed >> 29);
}

std::string_view Copy(std::string_view text, std::span<char> storage) {
  const size_t size = std::min(text.size(), storage.size());
  std::memcpy(storage.data(), text.data(), size);
  return {storage.data(), size};
}

}  // namespace

absl::StatusOr<std::shared_ptr<const LimitDescriptors>> LimitDescriptors::Compile(
    std::vector<DescriptorRule> rules) {
  auto made = std::make_shared<LimitDescriptors>();
  for (DescriptorRule& rule : rules) {
    if (rule.actions.empty() || rule.actions.size() > kMaxEntries) {
      return absl::InvalidArgumentError(absl::StrCat("must have 1 to ", kMaxEntries, " actions"));
    }
    Rule compiled;
    compiled.stage = rule.stage;
    for (DescriptorAction& action : rule.actions) {
      Action one;
      for (const match::HeaderSpec& header : action.headers) {
        auto match = match::HeaderMatch::Compile(header);
        if (!match.ok()) return match.status();
        one.headers.push_back(*std::move(match));
      }
      one.spec = std::move(action);
      compiled.actions.push_back(std::move(one));
    }
    made->rules_.push_back(std::move(compiled));
  }
  return made;
}

std::optional<std::string_view> LimitDescriptors::ValueOf(const Action& action,
                                                          const Subject& subject,
                                                          std::string_view cluster,
                                                          Storage& storage) {
  using enum DescriptorAction::Kind;
  switch (action.spec.kind) {
    case kGenericKey:
      return action.spec.value;
    case kRequestHeader: {
      const std::string& name = action.spec.value;
      if (name == ":path") return subject.head->path;
      if (name == ":method") return subject.head->method;
      if (name == ":authority" || name == "host") return subject.head->authority;
      const http::Header* header = subject.head->headers.Find(name);
      if (header == nullptr) return std::nullopt;
      return header->value;
    }
    case kRemoteAddress:
      return Copy(subject.remote.host(), storage.address);
    case kDestinationCluster:
      return cluster;
    case kHeaderValueMatch: {
      const bool all = std::all_of(
          action.headers.begin(), action.headers.end(),
          [&](const match::HeaderMatch& match) { return match.Matches(*subject.head); });
      if (all != action.spec.expect_match) return std::nullopt;
      return action.spec.value;
    }
    case kPeerIdentity:
      if (subject.uri_sans.empty()) return std::nullopt;
      return subject.uri_sans[0];
  }
  return std::nullopt;
}

std::span<const DescriptorEntry> LimitDescriptors::Make(size_t rule, const Subject& subject,
                                                        std::string_view cluster,
                                                        Storage& storage) const {
  size_t count = 0;
  for (const Action& action : rules_[rule].actions) {
    const std::optional<std::string_view> value = ValueOf(action, subject, cluster, storage);
    if (value && !value->empty()) {
      storage.entries[count++] = {action.spec.key, *value};
    } else if (!action.spec.skip_if_absent) {
      return {};
    }
  }
  return {storage.entries, count};
}

LocalRateLimit::LocalRateLimit(RateLimitSpec spec)
    : spec_(std::move(spec)), limits_(spec_.descriptors.size()) {
  if (spec_.bucket) rate_ = BucketRate(*spec_.bucket);
  for (size_t i = 0; i < limits_.size(); ++i) {
    const DescriptorLimit& descriptor = spec_.descriptors[i];
    limits_[i].rate = BucketRate(descriptor.bucket);
    const bool any = std::any_of(descriptor.entries.begin(), descriptor.entries.end(),
                                 [](const auto& entry) { return entry.second.empty(); });
    if (any) limits_[i].keyed = std::make_unique<KeyedBuckets>(spec_.most_keys);
  }
}

BucketWord* LocalRateLimit::BucketOf(std::span<const DescriptorEntry> entries, size_t* limit) {
  for (size_t i = 0; i < limits_.size(); ++i) {
    const auto& wanted = spec_.descriptors[i].entries;
    if (wanted.size() != entries.size()) continue;
    uint64_t key = 0xcbf29ce484222325u;
    const bool same = std::equal(wanted.begin(), wanted.end(), entries.begin(),
                                 [&key](const auto& entry, const DescriptorEntry& has) {
                                   if (entry.first != has.key) return false;
                                   if (!entry.second.empty()) return entry.second == has.value;
                                   key = HashOf(key, has.value);
                                   return true;
                                 });
    if (!same) continue;
    *limit = i;
    return limits_[i].keyed == nullptr ? &limits_[i].word : &limits_[i].keyed->Find(key);
  }
  return nullptr;
}

void LocalRateLimit::Add(const BucketRate& rate, const BucketRate::Grant& grant, Verdict* verdict) {
  const bool tighter = !verdict->counted || grant.remaining < verdict->remaining;
  verdict->counted = true;
  if (!grant.allowed) {
    verdict->limited = true;
    verdict->retry_after = std::max(verdict->retry_after, grant.until_next);
  }
  if (!tighter && grant.allowed) return;
  verdict->limit = rate.tokens();
  verdict->remaining = grant.remaining;
  verdict->reset = grant.until_full;
}

LocalRateLimit::Verdict LocalRateLimit::Take(const Subject& subject,
                                             const LimitDescriptors* of_route,
                                             std::string_view cluster, Nanoseconds now,
                                             uint64_t random) {
  Verdict verdict;
  if (!IsDrawn(random, spec_.enabled_per_million)) return verdict;
  const LimitDescriptors* rules = spec_.rules != nullptr ? spec_.rules.get() : of_route;
  bool matched = false;
  for (size_t rule = 0; rules != nullptr && rule < rules->size(); ++rule) {
    if (rules->stage(rule) != spec_.stage) continue;
    LimitDescriptors::Storage storage;
    size_t which = 0;
    BucketWord* bucket = BucketOf(rules->Make(rule, subject, cluster, storage), &which);
    if (bucket == nullptr) continue;
    matched = true;
    const BucketRate::Grant grant = limits_[which].rate.Take(*bucket, now);
    if (!spec_.descriptors[which].shadow) Add(limits_[which].rate, grant, &verdict);
  }
  if (spec_.bucket && !verdict.limited && (!matched || spec_.always_takes_default))
    Add(rate_, rate_.Take(word_, now), &verdict);
  verdict.enforced = verdict.limited && IsDrawn(random >> 24, spec_.enforced_per_million);
  return verdict;
}

}  // namespace tulle::policy
