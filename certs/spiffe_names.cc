#include "certs/spiffe_names.h"

namespace tulle::certs {

std::string SpiffeUri(std::string_view trust_domain, std::string_view path) {
  std::string uri(kSpiffeScheme);
  uri.append(trust_domain).append(path);
  return uri;
}

WorkloadNames WorkloadNamesOfPath(std::string_view path) {
  constexpr std::string_view kNs = "/ns/", kSa = "/sa/";
  if (!path.starts_with(kNs)) return {};
  path.remove_prefix(kNs.size());
  const size_t slash = path.find('/');
  if (slash == std::string_view::npos || !path.substr(slash).starts_with(kSa)) return {};
  const std::string_view account = path.substr(slash + kSa.size());
  if (account.find('/') != std::string_view::npos) return {};
  return {path.substr(0, slash), account};
}

WorkloadNames WorkloadNamesOf(std::string_view spiffe_id) {
  if (!spiffe_id.starts_with(kSpiffeScheme)) return {};
  const size_t path = spiffe_id.find('/', kSpiffeScheme.size());
  return path == std::string_view::npos ? WorkloadNames{}
                                        : WorkloadNamesOfPath(spiffe_id.substr(path));
}

}  // namespace tulle::certs
