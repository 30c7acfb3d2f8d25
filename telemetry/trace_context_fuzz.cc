#include <cstdint>
#include <cstdlib>
#include <string>

#include "telemetry/b3.h"
#include "telemetry/trace_context.h"

namespace tulle::telemetry {
namespace {

// What is read is what is written again, but for the version.
void CheckTraceparent(std::string_view text) {
  const auto context = ParseTraceparent(text);
  if (!context) return;
  std::string written(kTraceparentSize, ' ');
  WriteTraceparent(*context, std::span<char, kTraceparentSize>(written.data(), kTraceparentSize));
  if (ParseTraceparent(written) != context) std::abort();
}

void CheckB3(std::string_view text) {
  ParseB3(B3Fields{text, text, text, text, text});
  const auto context = ParseB3(text);
  if (!context || !context->has_trace()) return;
  char written[kLongestB3];
  if (std::string_view(written, WriteB3(*context, written)) != text) std::abort();
}

}  // namespace
}  // namespace tulle::telemetry

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tulle::telemetry;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  IsTracestate(text);
  CheckTraceparent(text);
  CheckB3(text);
  return 0;
}
