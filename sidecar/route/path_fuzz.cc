#include <cstdlib>

#include "net/base/slab.h"
#include "sidecar/route/path.h"

using tulle::route::EscapedSlashes;
using tulle::route::PathVerdict;

// A normalized path is accepted unchanged, and has no dot segments.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  tulle::Slab slab;
  tulle::Arena arena(slab);
  const tulle::route::PathRules rules{true, (data[0] & 1) != 0,
                                      static_cast<EscapedSlashes>((data[0] >> 1) & 3)};
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)tulle::route::NormalizeAuthority(text, arena);
  const auto once = tulle::route::NormalizePath(text, rules, arena);
  if (once.verdict == PathVerdict::kRefused || once.path == "*") return 0;
  const std::string_view only = tulle::route::PathOnly(once.path);
  if (only.find("/../") != std::string_view::npos || only.ends_with("/..")) std::abort();
  if (only.find("/./") != std::string_view::npos || only.ends_with("/.")) std::abort();
  return 0;
}
