#include "net/http2/nghttp2_setup.h"

#include "net/http2/frame_reader.h"
#include "net/http2/frame_writer.h"

namespace tulle::http2 {
namespace {

using Ng = nghttp2_session;
using Frame = nghttp2_frame;
using Bytes = nghttp2_rcbuf;

FrameReader& Reader(void* user) { return static_cast<CallbackTargets*>(user)->reader; }
FrameWriter& Writer(void* user) { return static_cast<CallbackTargets*>(user)->writer; }

void SetInput(nghttp2_session_callbacks* all) {
  nghttp2_session_callbacks_set_on_begin_frame_callback(
      all, [](Ng*, const nghttp2_frame_hd* head, void* user) {
        return Reader(user).OnBeginFrame(*head);
      });
  // Frames of unknown types are ignored, but they are begun: see SessionOptions.
  nghttp2_session_callbacks_set_unpack_extension_callback(
      all, [](Ng*, void**, const nghttp2_frame_hd*, void*) -> int { return NGHTTP2_ERR_CANCEL; });
  nghttp2_session_callbacks_set_on_begin_headers_callback(
      all, [](Ng*, const Frame* frame, void* user) { return Reader(user).OnBeginHeaders(*frame); });
  nghttp2_session_callbacks_set_on_header_callback2(
      all, [](Ng*, const Frame* frame, Bytes* name, Bytes* value, uint8_t, void* user) {
        return Reader(user).OnHeader(frame->hd.stream_id, name, value);
      });
  // nghttp2 would drop the field and continue; a peer that sends such fields is probably
  // attacking.
  nghttp2_session_callbacks_set_on_invalid_header_callback2(
      all, [](Ng*, const Frame* frame, Bytes*, Bytes*, uint8_t, void* user) {
        return Reader(user).RefuseBlock(frame->hd.stream_id, Verdict::kMalformed);
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(
      all, [](Ng*, const Frame* frame, void* user) { return Reader(user).OnFrame(*frame); });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      all, [](Ng*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
        return Reader(user).OnDataChunk(id, reinterpret_cast<const char*>(bytes), size);
      });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      all, [](Ng*, int32_t id, uint32_t error_code, void* user) {
        Reader(user).OnStreamGone(id, error_code);
        return 0;
      });
}

void SetOutput(nghttp2_session_callbacks* all) {
  nghttp2_session_callbacks_set_on_frame_send_callback(all,
                                                       [](Ng*, const Frame* frame, void* user) {
                                                         Writer(user).OnFrameSent(*frame);
                                                         return 0;
                                                       });
  nghttp2_session_callbacks_set_send_data_callback(
      all,
      [](Ng*, Frame*, const uint8_t* head, size_t size, nghttp2_data_source* source, void* user) {
        Writer(user).WriteBody(*static_cast<Stream*>(source->ptr), head, size);
        return 0;
      });
}

}  // namespace

const nghttp2_session_callbacks* Callbacks() {
  static const nghttp2_session_callbacks* const kCallbacks = [] {
    nghttp2_session_callbacks* all = nullptr;
    nghttp2_session_callbacks_new(&all);
    SetInput(all);
    SetOutput(all);
    return all;
  }();
  return kCallbacks;
}

const nghttp2_option* SessionOptions() {
  static const nghttp2_option* const kOptions = [] {
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, FloodGuard::kQueuedFrames);
    nghttp2_option_set_max_send_header_block_length(option, 1024 * 1024);
    // nghttp2 counts pieces, of which a fragmented frame may have ten; FloodGuard counts frames.
    nghttp2_option_set_max_continuations(option, 16 * FloodGuard::kContinuations);
    // Without this, there would be no callback for frames of unknown types.
    for (int type = NGHTTP2_CONTINUATION + 1; type <= 255; ++type)
      nghttp2_option_set_user_recv_extension_type(option, static_cast<uint8_t>(type));
    // nghttp2 uses the system's clock, FloodGuard the loop's.
    nghttp2_option_set_stream_reset_rate_limit(option, 1u << 30, 1u << 30);
    return option;
  }();
  return kOptions;
}

}  // namespace tulle::http2
