#include "sidecar/proxy/http_sniff.h"

#include <algorithm>

namespace tulle::proxy {
namespace {

constexpr size_t kLongestMethod = 20;
constexpr size_t kLongestLine = 8 * 1024;

bool IsMethodByte(char byte) { return (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '_'; }

HttpVerdict OfLine(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.ends_with(" HTTP/1.1")) return HttpVerdict::kHttp11;
  return line.ends_with(" HTTP/1.0") ? HttpVerdict::kHttp10 : HttpVerdict::kNotHttp;
}

}  // namespace

HttpVerdict SniffHttp(std::string_view seen) {
  const size_t compared = std::min(seen.size(), kHttp2Preface.size());
  if (seen.substr(0, compared) == kHttp2Preface.substr(0, compared)) {
    return compared == kHttp2Preface.size() ? HttpVerdict::kHttp2 : HttpVerdict::kNeedMore;
  }
  const size_t method =
      static_cast<size_t>(std::find_if_not(seen.begin(), seen.end(), IsMethodByte) - seen.begin());
  if (method > kLongestMethod) return HttpVerdict::kNotHttp;
  if (method == seen.size()) return HttpVerdict::kNeedMore;
  if (method == 0 || seen[method] != ' ') return HttpVerdict::kNotHttp;
  const size_t end = seen.find('\n');
  if (end != std::string_view::npos) return OfLine(seen.substr(0, end));
  if (seen.size() < kLongestLine) return HttpVerdict::kNeedMore;
  // Nobody else speaks so long a first line; its length is the codec's to refuse.
  return HttpVerdict::kHttp11;
}

}  // namespace tulle::proxy
