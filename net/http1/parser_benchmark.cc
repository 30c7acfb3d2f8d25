// What it costs to read one request head, and to write one:
//   bazel run //net/http1:parser_benchmark
#include <benchmark/benchmark.h>

#include <string>

#include "net/http1/encoder.h"
#include "net/http1/parser.h"

namespace tulle::http1 {
namespace {

constexpr std::string_view kRequest =
    "GET /posts/17?fields=title,body HTTP/1.1\r\n"
    "Host: post.default.svc.cluster.local:8080\r\n"
    "User-Agent: curl/7.88.1\r\n"
    "Accept: */*\r\n"
    "Accept-Encoding: gzip, deflate, br\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef\r\n"
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    "X-Request-Id: 6f3f72ba-2445-4bbd-98da-cea3da285b96\r\n"
    "X-Forwarded-Proto: http\r\n"
    "\r\n";

void BM_ReadRequest(benchmark::State& state) {
  Slab slab;
  const http::Limits limits;
  Parser parser(Parser::Kind::kRequest, limits);
  Buffer in(slab);
  Arena arena(slab);
  for (auto _ : state) {
    in.Append(kRequest);
    if (parser.SkipToMessage(in) != Parser::Status::kDone) state.SkipWithError("no message");
    if (parser.ReadHead(in, arena) != Parser::Status::kDone) state.SkipWithError("no head");
    benchmark::DoNotOptimize(parser.message().head);
    parser.Reset();
    arena.Clear();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * kRequest.size()));
}
BENCHMARK(BM_ReadRequest);

void BM_WriteRequest(benchmark::State& state) {
  Slab slab;
  const http::Limits limits;
  Parser parser(Parser::Kind::kRequest, limits);
  Buffer in(slab);
  Arena arena(slab);
  in.Append(kRequest);
  if (parser.ReadHead(in, arena) != Parser::Status::kDone) state.SkipWithError("no head");
  Buffer out(slab);
  Encoder encoder(out);
  for (auto _ : state) {
    benchmark::DoNotOptimize(encoder.WriteRequestHead(*parser.message().head, true));
    out.Clear();
  }
}
BENCHMARK(BM_WriteRequest);

}  // namespace
}  // namespace tulle::http1

BENCHMARK_MAIN();
