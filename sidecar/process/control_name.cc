#include "sidecar/process/control_name.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tulle::sidecar {
namespace {

constexpr std::chrono::seconds kShortest{1};
constexpr std::chrono::seconds kLongest{30};

}  // namespace

absl::StatusOr<ControlTarget> ParseControl(const std::string& text) {
  ControlTarget target;
  if (const auto address = SocketAddress::ParseWithPort(text)) {
    target.addresses = {*address};
    return target;
  }
  const size_t colon = text.rfind(':');
  const char* end = text.data() + text.size();
  if (colon != std::string::npos && colon > 0 && text.find(':') == colon) {
    const auto [last, error] = std::from_chars(text.data() + colon + 1, end, target.port);
    target.host = text.substr(0, colon);
    if (error == std::errc() && last == end && target.port != 0) return target;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "--control ", text, ": expected HOST:PORT, such as 127.0.0.1:15012 or tulle.example:15012"));
}

ControlName::ControlName(loop::Loop& loop, dns::Resolver& resolver, ControlTarget target,
                         telemetry::Log& log, Found found)
    : loop_(loop),
      resolver_(resolver),
      target_(std::move(target)),
      log_(log),
      found_(std::move(found)),
      timer_(loop_.NewTimer([this] { Ask(); })) {
  Ask();
}

void ControlName::Ask() {
  question_ = resolver_.Ask(target_.host, dns::Family::kAll,
                            [this](dns::Answer answer) { OnAnswer(std::move(answer)); });
}

void ControlName::OnAnswer(dns::Answer answer) {
  question_.reset();
  const bool found = !answer.addresses.empty();
  timer_->Start(found ? std::clamp(answer.ttl, kShortest, kLongest) : kShortest);
  if (!found && answer.error != error_) {
    log_.Write(telemetry::LogLevel::kWarning, telemetry::LogComponent::kMain,
               absl::StrCat("--control: ", answer.error));
  }
  error_ = answer.error;
  if (!found) return;
  for (SocketAddress& address : answer.addresses) address = address.WithPort(target_.port);
  found_(std::move(answer.addresses));
}

}  // namespace tulle::sidecar
