// Policies that nobody would think of: whole documents of every kind, with fields left out, doubled
// and filled with strings that break parsers, formats and regular expressions. Owner: a test.
// Thread: one. The same seed gives the same documents.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace tulle::policies {

using Json = nlohmann::json;

// Documents that together hold every field of every kind, each good as it stands.
const std::vector<Json>& WholeDocuments();

// A build with sanitizers takes ten times as long for each: there every fifth must do.
#ifdef NDEBUG
inline constexpr size_t kStride = 1;
#else
inline constexpr size_t kStride = 5;
#endif

// The document with one change: each odd value in the place of each leaf, nothing in the place of
// each list and mapping, each list with its first element twice and three times.
std::vector<Json> OddVersionsOf(const Json& whole);

class PolicyGenerator {
 public:
  explicit PolicyGenerator(uint64_t seed) : random_(seed) {}

  // One of the whole documents with up to three changes; the parser may refuse it.
  Json Next();
  size_t Below(size_t bound) { return static_cast<size_t>(random_() % bound); }

 private:
  void Change(Json* document);

  std::mt19937_64 random_;
};

}  // namespace tulle::policies
