// What it costs to record a request:
//   bazel run //sidecar/recorder:ring_benchmark
#include <benchmark/benchmark.h>

#include "sidecar/recorder/ring.h"

namespace tulle::recorder {
namespace {

void Record(Ring& ring) {
  ring.Write([](RecordWriter& writer) {
    Numbers numbers;
    numbers.status = 200;
    benchmark::DoNotOptimize(numbers);
    writer.PutNumbers(numbers);
    writer.Put<Text::kRequestId>("6f3f72ba-2445-4bbd-98da-cea3da285b96");
    writer.Put<Text::kTraceId>("0af7651916cd43dd8448eb211c80319c");
    writer.Put<Text::kMethod>("GET");
    writer.Put<Text::kPolicy>("shop/web-may-call-post");
    writer.Put<Text::kService>("post.default.svc.cluster.local");
    writer.Put<Text::kRoute>("posts");
    writer.Put<Text::kSource>("spiffe://cluster.local/ns/default/sa/gateway");
    writer.Put<Text::kDestination>("spiffe://cluster.local/ns/default/sa/post");
    writer.Put<Text::kCluster>("outbound|80||post.default.svc.cluster.local");
    writer.Put<Text::kAuthority>("post.default.svc.cluster.local:8080");
    writer.Put<Text::kPath>("/posts/17");
  });
}

void BM_WriteRecord(benchmark::State& state) {
  Ring ring(0);
  for (auto _ : state) Record(ring);
}
BENCHMARK(BM_WriteRecord);

// All texts are too long.
void BM_WriteLongRecord(benchmark::State& state) {
  Ring ring(0);
  const std::string text(300, 'x');
  for (auto _ : state) {
    ring.Write([&](RecordWriter& writer) {
      writer.PutNumbers({});
      writer.Put<Text::kRequestId>(text);
      writer.Put<Text::kPolicy>(text);
      writer.Put<Text::kService>(text);
      writer.Put<Text::kSource>(text);
      writer.Put<Text::kPath>(text);
    });
  }
}
BENCHMARK(BM_WriteLongRecord);

}  // namespace
}  // namespace tulle::recorder

BENCHMARK_MAIN();
