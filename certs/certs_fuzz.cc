// Every parser of foreign bytes in this package; the first byte chooses.
#include <cstdint>
#include <string_view>

#include "certs/certificate.h"
#include "certs/csr.h"
#include "certs/private_key.h"
#include "certs/spiffe_id.h"
#include "certs/trust_bundle.h"
#include "certs/verify_peer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tulle::certs;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 7) {
    case 0: {
      const auto id = SpiffeId::Parse(text);
      if (id.ok() && *SpiffeId::Parse(id->ToString()) != *id) __builtin_trap();
      break;
    }
    case 1: {
      const std::string_view chain[] = {text};
      (void)VerifyPeer(chain, TrustBundle::OfAnyDomain({}), 0, {});
      break;
    }
    case 2:
      (void)ParsePemCertificates(text);
      break;
    case 3:
      (void)CertificateRequest::Parse(text);
      break;
    case 4:
      (void)ParseSpiffeBundle(text);
      break;
    case 5:
      (void)ParseSpiffeBundleMap(text);
      break;
    case 6:
      (void)PrivateKey::FromPem(text);
      break;
  }
  return 0;
}
