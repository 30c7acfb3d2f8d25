#include <cstdint>
#include <cstdlib>
#include <string>

#include "telemetry/trace_context.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tulle::telemetry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  IsTracestate(text);
  const auto context = ParseTraceparent(text);
  if (!context) return 0;
  std::string written(kTraceparentSize, ' ');
  WriteTraceparent(*context, std::span<char, kTraceparentSize>(written.data(), kTraceparentSize));
  // What is read is what is written again, but for the version.
  if (ParseTraceparent(written) != context) std::abort();
  return 0;
}
