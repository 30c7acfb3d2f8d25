#pragma once

#include <cstdint>
#include <string_view>

#include "net/socket/transport.h"

namespace tulle::tls {

// In OpenSSL's words, as Envoy writes them ("TLSv1.3", "TLS_AES_128_GCM_SHA256"). Static strings;
// empty: no TLS. Any thread.
std::string_view VersionName(const TlsTerms& terms);
std::string_view CipherName(const TlsTerms& terms);

}  // namespace tulle::tls
