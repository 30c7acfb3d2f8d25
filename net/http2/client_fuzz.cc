// Arbitrary frames into a client session with open requests, as from a hostile upstream.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "net/http2/connection.h"
#include "net/http2/testing/frames.h"
#include "net/http2/testing/manual_loop.h"
#include "net/http2/testing/pipe_transport.h"
#include "net/http2/testing/recorder.h"

using namespace tulle;                  // NOLINT
using namespace tulle::http2::testing;  // NOLINT

// The first byte controls the cuts, the number of requests, and how they continue.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = bytes[0];
  std::string_view rest(reinterpret_cast<const char*>(bytes) + 1, size - 1);
  ManualLoop loop;
  Pipe pipe(loop);
  RecordedClient events;
  std::vector<std::unique_ptr<RecordedStream>> streams;
  auto near_end = pipe.TakeEnd(0);
  PipeTransport& transport = *near_end;
  auto client = http2::NewClientConnection(loop, std::move(near_end), events, {});
  client->Start();
  transport.events()->OnTransportReady();
  pipe.from(1).bytes.Append(Frame(kSettings, 0, 0, ""));
  while (pipe.Pump()) loop.Turn();
  for (int i = 0; i <= (choice & 1) && !events.closed && client->StreamRoom() > 0; ++i) {
    auto& request = streams.emplace_back(std::make_unique<RecordedStream>(loop.slab()));
    request->auto_pull = (choice & 2) != 0;
    request->stream = &client->Open(*request);
    http::Head head(request->arena());
    head.method = (choice & 4) != 0 ? "HEAD" : "POST";
    head.scheme = "http";
    head.authority = "a";
    head.path = "/";
    const bool end = (choice & 8) != 0;
    request->stream->SendHeaders(head, end);
    if (end) continue;
    Buffer body(loop.slab());
    body.Append("body");
    request->stream->SendData(body, false);
  }
  const size_t step = (choice >> 4) == 0 ? rest.size() + 1 : (choice >> 4) * 7;
  while (!rest.empty() && !events.closed) {
    pipe.from(1).bytes.Append(rest.substr(0, step));
    rest.remove_prefix(std::min(step, rest.size()));
    while (!events.closed && pipe.Pump()) loop.Turn();
    loop.Turn();
  }
  loop.Advance(std::chrono::seconds(2));
  if (!events.closed) client->Close();
  streams.clear();
  client.reset();
  loop.Turn();
  return 0;
}
