#include "net/http2/testing/recorder.h"

#include <utility>

namespace tulle::http2::testing {
namespace {

std::string Fields(const http::HeaderMap& headers) {
  std::string text;
  for (const http::Header& header : headers.all()) {
    text.append(" ").append(header.name).append("=").append(header.value);
  }
  return text;
}

}  // namespace

void RecordedStream::OnInterim(http::Head& head) {
  log += "h " + std::to_string(head.status) + Fields(head.headers) + " ";
}

void RecordedStream::OnHeaders(http::Head& head, bool end) {
  log += "H ";
  if (head.status != 0) {
    log += std::to_string(head.status);
  } else {
    log.append(head.method).append(" ").append(head.authority).append(head.path);
  }
  log += Fields(head.headers) + (end ? " ! " : " ");
  ended = end;
  if (auto_pull && !end) stream->Pull(SIZE_MAX / 2);
}

void RecordedStream::OnData(Buffer& data, bool end) {
  log += "D" + std::to_string(data.size()) + (end ? " ! " : " ");
  body.Append(data);
  ended = end;
}

void RecordedStream::OnTrailers(http::HeaderMap& trailers) {
  log += "T" + Fields(trailers) + " ! ";
  ended = true;
}

void RecordedStream::OnReset(Failure why) {
  failure = why;
  log += "R ";
  log += why.facts().cause;
  Release();
}

void RecordedStream::Release() {
  if (stream != nullptr) std::exchange(stream, nullptr)->Detach();
}

http::StreamEvents* RecordedServer::OnStream(http::Stream& stream) {
  auto& made = streams.emplace_back(std::make_unique<RecordedStream>(slab_));
  made->stream = &stream;
  made->auto_pull = auto_pull;
  return made.get();
}

}  // namespace tulle::http2::testing
