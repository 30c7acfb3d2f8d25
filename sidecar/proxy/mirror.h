#pragma once

#include <string_view>

#include "net/base/arena.h"
#include "net/base/intrusive_list.h"
#include "net/base/slab_allocated.h"
#include "net/http/stream.h"
#include "net/loop/deadlines.h"
#include "sidecar/route/route_spec.h"
#include "sidecar/upstream/cluster.h"

namespace tulle::proxy {

class Mirrors;
struct Services;

// A copy of a request to another cluster, whose response is ignored. It holds the body by
// reference, up to a limit: a mirror that falls behind is abandoned, and the request never waits
// for it.
//
// Owner: Mirrors. Thread: the worker's. The stage that feeds it (mirroring.h) has a
// pointer to it, which is cleared when the mirror ends.
class Mirror final : public upstream::StreamWaiter,
                     public http::StreamEvents,
                     public Deletable,
                     public SlabAllocated,
                     public ListNode<Mirror> {
 public:
  Mirror(Mirrors& owner, Services& services, upstream::Cluster& cluster,
         upstream::Cluster::Picked picked);
  ~Mirror() override;

  // The head is copied. `observer` is set to this mirror for as long as it takes more.
  void Start(const http::Head& head, const route::MirrorSpec& spec, bool end, Mirror** observer);
  void Send(const Buffer& data, bool end);
  void SendTrailers(const http::HeaderMap& trailers);
  // Nothing more is sent. A request that is not complete is reset.
  void Leave();

  // StreamWaiter
  http::StreamEvents& events() override { return *this; }
  void OnStream(http::Stream& stream, Transport& transport, bool reused) override;
  void OnNoStream(Failure failure) override;

  // StreamEvents
  Arena& arena() override { return arena_; }
  void OnInterim(http::Head&) override {}
  void OnHeaders(http::Head& head, bool end) override;
  void OnData(Buffer& data, bool end) override;
  void OnTrailers(http::HeaderMap& trailers) override;
  void OnReset(Failure failure) override;
  void OnSendRoom() override { Flush(); }

 private:
  void Open(http::Stream& stream);
  void Flush();
  void End(Failure failure);

  static constexpr size_t kMostKept = 64 * 1024;
  static constexpr auto kPatience = std::chrono::seconds(15);

  Mirrors& owner_;
  Services& services_;
  upstream::Cluster& cluster_;
  upstream::Cluster::Picked picked_;
  Arena arena_;
  Buffer body_;
  http::Head* head_ = nullptr;
  http::HeaderMap* trailers_ = nullptr;
  http::Stream* stream_ = nullptr;
  Mirror** observer_ = nullptr;
  loop::Deadline deadline_;
  int status_ = 0;
  bool request_ended_ = false;
  bool sent_ = false;  // to its end
  bool ended_ = false;
};

// The mirrors of one worker. Owner: Worker; destroyed before the clusters.
class Mirrors {
 public:
  explicit Mirrors(Services& services) : services_(services) {}
  ~Mirrors();

  // Does nothing if the cluster is unknown or its limits are reached.
  void Start(const http::Head& head, const route::MirrorSpec& spec, bool end, Mirror** observer);

 private:
  friend class Mirror;
  void OnEnd(Mirror& mirror, upstream::Cluster& cluster, int status, Failure failure);

  // In flight at the same time.
  static constexpr size_t kMost = 1024;

  Services& services_;
  IntrusiveList<Mirror> mirrors_;
  size_t count_ = 0;
};

}  // namespace tulle::proxy
