// Arbitrary frames into a server session; the application responds to each complete request.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/http2/connection.h"
#include "net/http2/testing/frames.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"
#include "net/http2/testing/recorder.h"

using namespace tulle;                  // NOLINT
using namespace tulle::http2::testing;  // NOLINT

// The first byte controls the cuts, and what the application does.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = bytes[0];
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  ManualLoop loop;
  Pipe pipe(loop);
  RecordedServer events(loop.slab());
  events.auto_pull = (choice & 1) != 0;
  auto server = http2::NewServerConnection(loop, pipe.TakeEnd(1), events, {});
  Buffer early(loop.slab());
  early.Append(kPreface);
  early.Append(Frame(kSettings, 0, 0, ""));
  server->Start(early);
  const size_t step = (choice >> 4) == 0 ? rest.size() + 1 : (choice >> 4) * 7;
  size_t answered = 0;
  while (!rest.empty() && !events.closed) {
    pipe.from(0).bytes.Append(rest.substr(0, step));
    rest.remove_prefix(std::min(step, rest.size()));
    while (!events.closed && pipe.Pump()) loop.Turn();
    for (; (choice & 2) != 0 && answered < events.streams.size(); ++answered) {
      RecordedStream& stream = *events.streams[answered];
      if (stream.stream == nullptr) continue;
      http::Head head(stream.arena());
      head.status = 200;
      stream.stream->SendHeaders(head, (choice & 4) != 0);
      if ((choice & 4) == 0) {
        Buffer body(loop.slab());
        body.Append("body");
        stream.stream->SendData(body, (choice & 8) == 0);
      }
      if ((choice & 8) != 0) stream.Release();
    }
    loop.Turn();
  }
  loop.Advance(std::chrono::seconds(2));
  server->Close();
  events.streams.clear();
  server.reset();
  loop.Turn();
  return 0;
}
