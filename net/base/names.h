// Formats of names that users write and both processes check: DNS names in Kubernetes' form, and
// localities. Pure functions; any thread.
#pragma once

#include <string_view>

namespace tulle {

// RFC 1123 label: at most 63 of [a-z0-9-], a letter or digit at both ends. Services and namespaces.
bool IsDnsLabel(std::string_view text);
// RFC 1123 subdomain: labels joined by dots, at most 253 bytes. Names of policies, host names.
bool IsDnsName(std::string_view text);
// REGION[/ZONE[/SUBZONE]], each of at most 63 letters, digits, dots, dashes and underscores.
bool IsLocality(std::string_view text);

}  // namespace tulle
