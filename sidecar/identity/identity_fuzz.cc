// The identity on disk, which may have been cut short or written over: key, chain and roots in one
// text, and the same text in each place.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "sidecar/identity/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto made = tulle::identity::MakeIdentity(text, text, text);
  if (made.ok() && (*made)->spiffe_id.empty()) std::abort();
  // A key never shows in an error.
  if (!made.ok() && made.status().message().find("PRIVATE") != std::string::npos) std::abort();
  return 0;
}
