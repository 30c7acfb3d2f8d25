#include "net/http2/stream_failure.h"

#include <nghttp2/nghttp2.h>

namespace tulle::http2 {

Failure CloseReason(const EndedStream& stream, uint32_t error_code, bool goaway) {
  const bool by_peer = stream.reset_by_peer;
  const char* const how = by_peer ? "http2.remote_reset" : "http2.protocol_error";
  const bool truncated = !stream.server && stream.head_received;
  if (truncated)
    return {FailureKind::kUpstreamTruncated, stream.refused ? stream.refused.detail : how};
  if (stream.refused) return stream.refused;
  if (stream.server)
    return {by_peer ? FailureKind::kDownstreamClosed : FailureKind::kDownstreamProtocol, how};
  if (error_code == NGHTTP2_REFUSED_STREAM) {
    if (goaway && !by_peer) return {FailureKind::kUpstreamClosedUnread, "http2.goaway"};
    return {FailureKind::kUpstreamRefusedStream, ""};
  }
  return {by_peer ? FailureKind::kUpstreamReset : FailureKind::kUpstreamProtocol, how};
}

Failure LossReason(const EndedStream& stream, uint64_t written, Failure why) {
  if (stream.server) return why;
  if (stream.head_received) return {FailureKind::kUpstreamTruncated, why.detail};
  if (why.kind == FailureKind::kUpstreamProtocol) return why;
  if (written == 0) return {FailureKind::kUpstreamClosedUnused, why.detail};
  return {FailureKind::kUpstreamClosed, why.detail};
}

uint32_t ResetCode(FailureKind kind) {
  using Kind = FailureKind;
  if (kind == Kind::kNone) return NGHTTP2_NO_ERROR;
  if (kind == Kind::kBadRequest || kind == Kind::kDownstreamProtocol) return NGHTTP2_PROTOCOL_ERROR;
  if (kind == Kind::kHeadersTooLarge) return NGHTTP2_ENHANCE_YOUR_CALM;
  if (kind == Kind::kDraining || kind == Kind::kUpstreamRefusedStream)
    return NGHTTP2_REFUSED_STREAM;
  if (kind == Kind::kInternal || kind == Kind::kUpstreamProtocol ||
      kind == Kind::kUpstreamTruncated)
    return NGHTTP2_INTERNAL_ERROR;
  return NGHTTP2_CANCEL;
}

}  // namespace tulle::http2
