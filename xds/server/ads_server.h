#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/base/intrusive_list.h"
#include "net/grpc/service.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "xds/server/session.h"
#include "xds/server/subscribers.h"
#include "xds/server/view.h"

namespace tulle::xds {

// Where views come from: the control plane's resources.
class Source {
 public:
  virtual ~Source() = default;
  // What the node may see; called when it has introduced itself, and when Publish() names it. Not
  // OK: its stream ends with that status (the place to bind node and peer identity).
  virtual absl::StatusOr<std::shared_ptr<const View>> ViewFor(
      const envoy::config::core::v3::Node& node, const Transport& peer) = 0;
  // The last stream of this node has ended.
  virtual void OnDisconnected(const std::string& /*node_id*/) {}
  // What the client of SessionOf(node_id) rejects has changed.
  virtual void OnRejections(const std::string& /*node_id*/) {}
};

// The aggregated discovery service, delta and state of the world, as two methods of a gRPC server.
// A change reaches only the streams that it concerns, a few in each turn of the loop; a stream that
// waits for its turn gets all changes until then at once.
// Owner: the control plane; it outlives the grpc::Server. Thread: the loop's.
class AdsServer {
 public:
  AdsServer(loop::Loop& loop, Source& source);
  ~AdsServer();

  void Register(grpc::ServiceRegistry& registry);
  // These resources have changed for whoever sees them, and for these nodes their whole view.
  void Publish(const ChangedNames& changes, const std::set<std::string>& node_ids = {});

  // Sends it again to whoever sees it: the acknowledgement shows that the client is there now.
  void Resend(std::string_view type_url, const std::string& name);

  size_t streams() const { return stream_count_; }
  // Streams that were looked at because of changes, since the start.
  uint64_t touched() const { return touched_; }
  // In order of connecting.
  void ForEach(const std::function<void(const std::string& node_id, const Session&)>& visit);
  // Null: the node has no stream. If it has several: the newest.
  const Session* SessionOf(const std::string& node_id) const;
  // The node has accepted everything that it would be sent now; no change waits for its turn.
  bool IsSynced(const std::string& node_id) const;

 private:
  class Stream;
  struct Waiting;

  void Enlist(Stream& stream);
  void Serve();

  loop::Loop& loop_;
  Source& source_;
  Subscribers<Stream> subscribers_;
  uint64_t last_number_ = 0;                                        // of a stream
  std::map<std::string, std::vector<Stream*>, std::less<>> nodes_;  // by node id
  IntrusiveList<Stream> streams_;
  IntrusiveList<Stream, Waiting> waiting_;
  size_t stream_count_ = 0;
  uint64_t touched_ = 0;
  bool is_posted_ = false;
  std::shared_ptr<AdsServer*> self_;  // for what is posted: null once this has gone
};

}  // namespace tulle::xds
