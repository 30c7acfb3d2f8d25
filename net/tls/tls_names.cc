#include "net/tls/tls_names.h"

#include <openssl/ssl.h>

namespace tulle::tls {

std::string_view VersionName(const TlsTerms& terms) {
  switch (terms.version) {
    case 0:
      return {};
    case TLS1_2_VERSION:
      return "TLSv1.2";
    case TLS1_3_VERSION:
      return "TLSv1.3";
    default:
      return "unknown";
  }
}

std::string_view CipherName(const TlsTerms& terms) {
  const SSL_CIPHER* cipher = SSL_get_cipher_by_value(terms.cipher);
  return cipher == nullptr ? std::string_view() : SSL_CIPHER_get_name(cipher);
}

}  // namespace tulle::tls
