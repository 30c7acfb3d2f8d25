// The callbacks and options of nghttp2's sessions, the same for all.
#pragma once

#include <nghttp2/nghttp2.h>

namespace tulle::http2 {

class FrameReader;
class FrameWriter;

// The user pointer of an nghttp2 session: who receives its callbacks. Owner: a session; outlives
// nghttp2's.
struct CallbackTargets {
  FrameReader& reader;
  FrameWriter& writer;
};

const nghttp2_session_callbacks* Callbacks();
const nghttp2_option* SessionOptions();

}  // namespace tulle::http2
