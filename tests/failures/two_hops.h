#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "certs/testing/fixtures.h"
#include "net/base/slab.h"
#include "net/base/socket_address.h"
#include "net/loop/loop.h"
#include "sidecar/config/snapshot.h"
#include "sidecar/config/snapshot_loader.h"

namespace tulle::failures {

// One request and its response, as the client saw them.
struct Answer {
  int status = 0;      // 0: no response
  bool whole = false;  // with the complete body
};

// An application that accepts bodies and responds to each with as much, using blocking calls on its
// own threads. Its callers must close their connections before it is destroyed.
class Application {
 public:
  Application();
  ~Application();
  uint16_t port() const { return port_; }

 private:
  void Serve();
  static void Converse(int connection);
  int listener_;
  uint16_t port_;
  std::vector<std::thread> conversations_;
  std::thread thread_;
};

// A real worker on a real loop, through which a request passes twice: HTTP/1.1 from the client,
// HTTP/2 over mutual TLS from its outbound to its inbound listener, HTTP/1.1 to the application.
class TwoHops {
 public:
  TwoHops();
  ~TwoHops();

  // A worker exists while `client` runs on another thread; both are new each time. `memory` is the
  // source of its slab and of BoringSSL. Returns the bytes still in use in its slab at the end.
  size_t Run(const std::function<void()>& client, MemorySource& memory = SystemMemory());
  // Whether the descriptors opened by runs are closed; the application takes a moment.
  bool LeftNothingOpen() const;
  // POSTs a body on a new connection, for Run's client.
  Answer Post() const;

  static constexpr size_t kBody = 40'000;

 private:
  std::string Bootstrap() const;

  certs::testing::TestCa ca_;
  certs::testing::TestIdentity identity_;
  Application application_;
  uint16_t outbound_port_;
  uint16_t inbound_port_;
  std::unique_ptr<config::SnapshotLoader> loader_;
  std::shared_ptr<const config::Snapshot> snapshot_;
  int descriptors_ = 0;  // open before the first run
};

}  // namespace tulle::failures
