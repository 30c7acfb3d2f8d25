#pragma once

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "net/base/intrusive_list.h"
#include "net/base/socket_address.h"
#include "net/loop/deadlines.h"
#include "net/loop/loop.h"
#include "sidecar/admin/admin_pages.h"

namespace tulle::admin {

class AdminConnection;

// The admin pages over HTTP/1.1. Owner: the composition root. Thread: the main loop's.
//
// Listens on loopback. Another address is used only if the bootstrap names it, and then with a
// warning in the log.
class AdminServer final : private loop::ListenerEvents {
 public:
  static constexpr size_t kMaxConnections = 64;

  // `source` must outlive it.
  AdminServer(loop::Loop& loop, AdminSource& source);
  ~AdminServer() override;

  // `named`: the address is set in the bootstrap.
  absl::Status Listen(const SocketAddress& address, bool named);
  // The actual port if port 0 was requested.
  SocketAddress address() const;

 private:
  friend class AdminConnection;
  void OnAccept(std::unique_ptr<loop::Socket> socket) override;
  void Remove(AdminConnection& connection);

  loop::Loop& loop_;
  AdminSource& source_;
  loop::Deadlines deadlines_;
  std::unique_ptr<AdminPages> pages_;
  std::unique_ptr<loop::Listener> listener_;
  IntrusiveList<AdminConnection> connections_;
  size_t open_ = 0;
};

}  // namespace tulle::admin
