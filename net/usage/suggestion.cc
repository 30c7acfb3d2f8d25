#include "net/usage/suggestion.h"

#include <algorithm>
#include <cctype>

namespace tulle::usage {
namespace {

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// Counts letters that are inserted, deleted, replaced, or swapped with their neighbour.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, change});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<std::string> NearestName(std::string_view text,
                                       const std::vector<std::string_view>& known) {
  if (text.size() > 64) return std::nullopt;
  const std::string wanted = LowerCase(text);
  std::optional<std::string> nearest;
  size_t best = 3;
  for (const std::string_view name : known) {
    const size_t distance = EditDistance(wanted, LowerCase(name));
    // A suggestion that changes most of a short word is noise.
    if (distance < best && distance * 2 < std::max<size_t>(name.size(), 3)) {
      best = distance;
      nearest = std::string(name);
    }
  }
  return nearest;
}

std::string DidYouMean(const std::string& text, const std::vector<std::string>& known,
                       const std::string& rest) {
  const std::vector<std::string_view> names(known.begin(), known.end());
  const auto nearest = NearestName(text, names);
  return nearest ? "did you mean " + *nearest + "? " + rest : rest;
}

}  // namespace tulle::usage
