#include "control-plane/insight/event_subjects.h"

#include "certs/spiffe_names.h"

namespace tulle::insight {

EventSubject ProxySubject(std::string_view node, std::string_view pod, std::string_view spiffe_id) {
  if (const size_t slash = pod.find('/'); slash != std::string_view::npos)
    return {"Proxy", std::string(pod.substr(0, slash)), std::string(pod.substr(slash + 1))};
  return {"Proxy", std::string(certs::WorkloadNamesOf(spiffe_id).namespace_name),
          std::string(node)};
}

EventSubject IdentitySubject(std::string_view spiffe_id) {
  const certs::WorkloadNames names = certs::WorkloadNamesOf(spiffe_id);
  if (names.account.empty()) return {"Identity", "", std::string(spiffe_id)};
  return {"Identity", std::string(names.namespace_name), std::string(names.account)};
}

EventSubject HostSubject(std::string_view address) { return {"Host", "", std::string(address)}; }

}  // namespace tulle::insight
