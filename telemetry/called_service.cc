#include "telemetry/called_service.h"

namespace tulle::telemetry {
namespace {

bool BeginsWithLabels(std::string_view host, std::string_view wanted) {
  if (!host.starts_with(wanted)) return false;
  return host.size() == wanted.size() || host[wanted.size()] == '.' || host[wanted.size()] == ':';
}

std::string_view NameIn(std::string_view authority) {
  return authority.substr(0, authority.find(':'));
}

// "shop" of cart.shop.svc.cluster.local; empty: it has one label.
std::string_view NamespaceIn(std::string_view host) {
  const size_t dot = host.find('.');
  if (dot == std::string_view::npos) return {};
  const std::string_view rest = host.substr(dot + 1);
  return rest.substr(0, rest.find('.'));
}

// "cart" called from the namespace shop is cart.shop.
bool IsShortFor(const CalledService& service, std::string_view wanted) {
  const std::string_view name = NameIn(service.authority);
  if (name.empty() || name.find('.') != std::string_view::npos || !wanted.starts_with(name))
    return false;
  const std::string_view rest = wanted.substr(name.size());
  return rest.starts_with('.') && NamespaceIn(wanted) == service.caller_namespace;
}

}  // namespace

bool IsCalled(const CalledService& service, std::string_view wanted) {
  return BeginsWithLabels(service.host, wanted) || BeginsWithLabels(service.authority, wanted) ||
         IsShortFor(service, wanted);
}

bool IsInNamespace(const CalledService& service, std::string_view wanted) {
  if (!service.host.empty()) return NamespaceIn(service.host) == wanted;
  const std::string_view name = NameIn(service.authority);
  const bool is_short = name.find('.') == std::string_view::npos;
  return (is_short ? service.caller_namespace : NamespaceIn(name)) == wanted;
}

}  // namespace tulle::telemetry
