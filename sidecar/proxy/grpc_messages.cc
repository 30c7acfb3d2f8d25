#include "sidecar/proxy/grpc_messages.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace tulle::proxy {

void GrpcMessages::Pass(const Buffer& data) {
  if (data.size() <= left_) {
    left_ -= static_cast<uint32_t>(data.size());
    return;
  }
  data.ForEachPiece([this](std::string_view piece) {
    while (!piece.empty()) {
      const size_t skipped = std::min<size_t>(left_, piece.size());
      left_ -= static_cast<uint32_t>(skipped);
      piece.remove_prefix(skipped);
      for (; left_ == 0 && !piece.empty(); piece.remove_prefix(1)) {
        length_ = length_ << 8 | static_cast<uint8_t>(piece.front());  // the flag is shifted out
        if (++prefix_ < kPrefix) continue;
        ++count_;
        prefix_ = 0;
        left_ = length_;
      }
    }
  });
}

}  // namespace tulle::proxy
