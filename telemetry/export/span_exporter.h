#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/grpc/channel.h"
#include "net/loop/loop.h"
#include "telemetry/metrics.h"

namespace tulle::telemetry {

// Sends spans to one collector by OTLP over gRPC
// (opentelemetry.proto.collector.trace.v1.TraceService/Export).
//
// The queue is bounded: while the collector is unavailable or slow, further spans are dropped
// and counted. A batch that the collector rejects permanently is dropped; one that it cannot accept
// now is sent again after the channel's back-off.
//
// Owner: main(). Thread: its loop's.
class SpanExporter final : private grpc::ChannelEvents {
 public:
  struct Options {
    std::string authority;
    std::string scheme = "http";
    std::vector<std::pair<std::string, std::string>> metadata;
    std::string resource;               // attributes, by AppendResourceAttribute
    size_t most_waiting = 1024 * 1024;  // bytes
    loop::Duration timeout = std::chrono::seconds(10);
  };

  SpanExporter(loop::Loop& loop, grpc::Channel::Connect connect, Options options,
               Registry& registry);
  ~SpanExporter() override;

  // `count` spans as written by SpanWriter.
  void Add(std::string spans, uint64_t count);
  // The collector's certificate or our own has changed.
  void Reconnect() { channel_.Reconnect(); }
  bool idle() const { return waiting_.empty() && call_ == nullptr; }

 private:
  struct Batch {
    std::string spans;
    uint64_t count = 0;
  };

  void OnChannelReady() override { Send(); }
  void OnChannelLost(Failure) override;
  void Send();
  void OnAnswer(const grpc::Status& status, const std::string& response);
  void PutBack();
  void Drop(Counter& reason, uint64_t count) { reason.Add(count); }

  loop::Loop& loop_;
  const Options options_;
  Counter& sent_;
  Counter& queue_full_;
  Counter& refused_;
  std::deque<Batch> waiting_;
  size_t waiting_bytes_ = 0;
  Batch flying_;
  std::unique_ptr<grpc::UnaryCall> call_;
  std::unique_ptr<loop::Timer> retry_;
  grpc::Channel channel_;
};

}  // namespace tulle::telemetry
