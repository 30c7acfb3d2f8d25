#include <cstddef>
#include <cstdint>

#include "net/tls/tls_transports.h"
#include "sidecar/config/bootstrap.h"

using tulle::config::Origin;
using tulle::config::ResourceKind;
using tulle::config::SnapshotLoader;

// The first byte chooses: a bootstrap as text, or one resource as bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  SnapshotLoader loader(tulle::tls::TlsTransports());
  if (data[0] < '0' || data[0] > '4') {
    const auto bootstrap = tulle::config::ParseBootstrap(input, "f");
    if (bootstrap.ok()) (void)LoadStaticResources(*bootstrap, "f", loader);
  } else {
    (void)loader.Put(static_cast<ResourceKind>(data[0] - '0'), "r", input, Origin::kDynamic);
  }
  loader.GiveUpWaiting();
  (void)loader.Current();
  return 0;
}
