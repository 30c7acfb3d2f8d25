#include "sidecar/proxy/span_url.h"

#include <algorithm>
#include <charconv>

#include "sidecar/route/path.h"

namespace tulle::proxy {
namespace {

constexpr std::string_view kRedacted = "REDACTED";

// Appends to a buffer that is not extended.
class UrlText {
 public:
  explicit UrlText(std::span<char> room) : room_(room) {}
  void Add(std::string_view text) {
    text = text.substr(0, room_.size() - size_);
    std::copy(text.begin(), text.end(), room_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += text.size();
  }
  // `query` is without its question mark.
  void AddRedacted(std::string_view query) {
    for (bool first = true; size_ < room_.size(); first = false) {
      const size_t end = query.find('&');
      const std::string_view parameter = query.substr(0, end);
      const size_t equals = parameter.find('=');
      if (!first) Add("&");
      if (equals != parameter.npos) Add(parameter.substr(0, equals + 1));
      if (equals + 1 != parameter.size() && !parameter.empty()) Add(kRedacted);
      if (end == query.npos) break;
      query.remove_prefix(end + 1);
    }
  }
  std::string_view text() const { return {room_.data(), size_}; }

 private:
  std::span<char> room_;
  size_t size_ = 0;
};

std::string_view QueryOf(std::string_view path) {
  const size_t mark = path.find('?');
  return mark == path.npos ? std::string_view() : path.substr(mark + 1);
}

}  // namespace

ServerAddress ServerAddressOf(std::string_view authority) {
  ServerAddress address{route::HostOf(authority)};
  const std::string_view rest = authority.substr(address.host.size());
  if (!rest.empty()) std::from_chars(rest.data() + 1, rest.data() + rest.size(), address.port);
  if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']')
    address.host = address.host.substr(1, address.host.size() - 2);
  return address;
}

std::string_view WithoutQuery(std::string_view path) { return path.substr(0, path.find('?')); }

std::string_view RedactedQuery(std::string_view path, std::span<char> scratch) {
  const std::string_view query = QueryOf(path);
  if (query.empty()) return {};
  UrlText text(scratch);
  text.AddRedacted(query);
  return text.text();
}

std::string_view RedactedUrl(const http::Head& head, std::string_view scheme, size_t longest_path,
                             std::span<char> scratch) {
  if (head.path.empty()) return {};
  UrlText text(scratch);
  text.Add(scheme);
  text.Add("://");
  text.Add(head.authority.substr(head.authority.rfind('@') + 1));  // no credentials
  text.Add(WithoutQuery(head.path).substr(0, longest_path));
  const std::string_view query = QueryOf(head.path);
  if (query.empty()) return text.text();
  text.Add("?");
  text.AddRedacted(query);
  return text.text();
}

}  // namespace tulle::proxy
