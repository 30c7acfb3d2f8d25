#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "telemetry/access_log_format.h"

namespace {

// Every value is the format itself: untrusted text must stay on its line.
class Echo : public tulle::telemetry::LogValues {
 public:
  explicit Echo(std::string_view text) : text_(text) {}
  std::string_view Value(const tulle::telemetry::LogField&, Scratch) const override {
    return text_;
  }
  int64_t StartNanoseconds() const override { return static_cast<int64_t>(text_.size()) << 48; }

 private:
  std::string_view text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  std::string out;
  const auto compiled = tulle::telemetry::AccessLogFormat::Text(text);
  if (compiled.ok()) compiled->Append(Echo(text), out);
  out.clear();
  const std::pair<std::string, std::string> fields[] = {{std::string(text), std::string(text)}};
  const auto json = tulle::telemetry::AccessLogFormat::Json(fields);
  if (json.ok()) json->Append(Echo(text), out);
  if (out.find('\n') < out.size() - 1 && !out.empty()) std::abort();
  return 0;
}
