#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "net/base/intrusive_list.h"
#include "net/grpc/service.h"
#include "net/loop/loop.h"
#include "net/socket/transport.h"
#include "xds/server/session.h"
#include "xds/server/view.h"

namespace tulle::xds {

// Where views come from: the control plane's snapshots.
class Source {
 public:
  virtual ~Source() = default;
  // What the node may see now; asked when it has introduced itself and at each Refresh(). Not OK:
  // its stream ends with that status (the place to bind node and peer identity). Streams that may
  // see the same should get the same View.
  virtual absl::StatusOr<std::shared_ptr<const View>> ViewFor(
      const envoy::config::core::v3::Node& node, const Transport& peer) = 0;
  // Something was acknowledged or rejected: statuses() has news. Not for heavy work.
  virtual void OnAnswer() {}
};

struct StreamStatus {
  std::string node_id;
  std::map<std::string, TypeStatus, std::less<>> types;
};

// The aggregated discovery service, delta and state of the world, as two methods of a gRPC server.
// Owner: the control plane; it outlives the grpc::Server. Thread: the loop's.
class AdsServer {
 public:
  AdsServer(loop::Loop& loop, Source& source);
  ~AdsServer();

  void Register(grpc::ServiceRegistry& registry);
  // The world has changed: every stream's view is asked for again.
  void Refresh();
  size_t streams() const { return stream_count_; }
  // In order of connecting.
  std::vector<StreamStatus> Statuses();

 private:
  class Stream;

  loop::Loop& loop_;
  Source& source_;
  IntrusiveList<Stream> streams_;
  size_t stream_count_ = 0;
};

}  // namespace tulle::xds
