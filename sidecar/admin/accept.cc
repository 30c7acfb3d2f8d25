// RFC 9110, 12.4.2: "text/plain;version=0.0.4;q=0.5, gzip, deflate;q=0".
#include "sidecar/admin/accept.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tulle::admin {
namespace {

absl::string_view Trimmed(absl::string_view text) { return absl::StripAsciiWhitespace(text); }

double QualityOfParameter(absl::string_view text) {
  double quality = 0;
  if (!absl::SimpleAtod(text, &quality) || !(quality >= 0 && quality <= 1)) return 0;
  return quality;
}

}  // namespace

double QualityOf(std::string_view header, std::string_view item) {
  double best = 0;
  for (const absl::string_view mention :
       absl::StrSplit(absl::string_view(header.data(), header.size()), ',')) {
    double quality = 1;
    bool is_name = true;
    bool is_item = false;
    for (absl::string_view part : absl::StrSplit(mention, ';')) {
      part = Trimmed(part);
      if (is_name) is_item = absl::EqualsIgnoreCase(part, {item.data(), item.size()});
      if (!is_name && absl::ConsumePrefix(&part, "q=")) quality = QualityOfParameter(part);
      is_name = false;
    }
    if (is_item) best = std::max(best, quality);
  }
  return best;
}

}  // namespace tulle::admin
