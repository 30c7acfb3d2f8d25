// Opens, reuses and closes connections, and serves waiting requests.
#include "sidecar/upstream/connection_pool.h"

#include <memory>
#include <utility>

#include "sidecar/upstream/failures.h"

namespace tulle::upstream {

ConnectionPool::~ConnectionPool() {
  for (IntrusiveList<PooledConnection>* list : {&idle_, &busy_}) {
    while (!list->empty()) {
      const std::unique_ptr<PooledConnection> connection(&list->PopFront());
      connection->Abandon(resources_.loop);
      resources_.budget.Leave();
    }
  }
}

uint32_t ConnectionPool::streams_per_connection() const {
  return version_ == HttpVersion::k1 ? 1 : resources_.spec->http2_concurrent_streams;
}

// Idle connections that are too old, and those found closed in this very turn; each ends by itself.
void ConnectionPool::CloseSpent() {
  while (!idle_.empty() && (idle_.front().IsSpent() || idle_.front().StreamRoom() == 0)) {
    PooledConnection& connection = idle_.front();
    connection.LeaveIdle();
    busy_.PushBack(connection);
    connection.Drain();
  }
}

PooledConnection* ConnectionPool::FindRoom(bool fresh) {
  CloseSpent();
  if (!fresh && !idle_.empty()) return &idle_.front();
  PooledConnection* found = nullptr;
  const auto consider = [&](PooledConnection& connection) {
    if (found == nullptr && !connection.connecting() && connection.StreamRoom() > 0 &&
        !connection.IsSpent() && !(fresh && connection.used())) {
      found = &connection;
    }
  };
  if (fresh) idle_.ForEach(consider);
  if (version_ == HttpVersion::k2) busy_.ForEach(consider);
  return found;
}

Acquired ConnectionPool::OpenOn(PooledConnection& connection, http::StreamEvents& events) {
  busy_.PushBack(connection);
  return connection.Open(events);
}

Acquired ConnectionPool::Acquire(StreamWaiter& waiter, bool fresh) {
  if (queue_.empty()) {
    if (PooledConnection* connection = FindRoom(fresh)) return OpenOn(*connection, waiter.events());
  }
  Acquired acquired;
  if (!queue_.Push(waiter, fresh)) {
    acquired.failure = {failures::kOverflow, "too many pending requests"};
    return acquired;
  }
  if (queue_.NeedsConnection(streams_per_connection())) Connect();
  return acquired;
}

bool ConnectionPool::Connect() {
  if (!resources_.TryEnterConnection()) return false;
  auto* connection = new PooledConnection(*this, resources_);
  queue_.AddConnecting();
  busy_.PushBack(*connection);
  const ClusterSpec& spec = *resources_.spec;
  const TransportSocketSpec& socket = peer_.socket();
  connection->Start(
      NewCodec(version_, resources_.loop, resources_.deadlines, spec, socket,
               Dial(resources_.loop, spec, peer_.spec(), socket, version_), *connection),
      socket.tls);
  return true;
}

void ConnectionPool::ServeWaiters() {
  while (!queue_.empty()) {
    PooledConnection* connection = FindRoom(queue_.front().fresh());
    if (connection == nullptr) break;
    StreamWaiter& waiter = queue_.Pop();
    const Acquired acquired = OpenOn(*connection, waiter.events());
    waiter.OnStream(*acquired.stream, *acquired.transport, acquired.reused);
  }
  while (queue_.NeedsConnection(streams_per_connection()) && Connect()) {
  }
}

bool ConnectionPool::Admits(PooledConnection& connection, const tls::SecureConnector* dialled_by) {
  return peer_.Admits(resources_.loop, connection.transport(), dialled_by);
}

void ConnectionPool::OnConnected(PooledConnection& connection) {
  queue_.RemoveConnecting();
  OnRoom(connection);
}

void ConnectionPool::OnRoom(PooledConnection& connection) {
  if (connection.IsSpent() || (draining_ && queue_.empty())) return connection.Drain();
  if (!connection.HasStreams() && connection.StreamRoom() > 0) {
    idle_.PushFront(connection);
    resources_.idle.Add(connection);
  }
  if (!queue_.empty()) ServeWaiters();
  if (draining_ && queue_.empty()) return Drain();
  OnServed();
}

// Its own waiters are served: remaining idle connections may make room for other endpoints.
void ConnectionPool::OnServed() {
  if (resources_.idle.empty()) return;
  if (resources_.budget.starved()) cluster_.OnConnectionsFreed();
  resources_.idle.Trim();
}

void ConnectionPool::OnClosed(PooledConnection& connection, Failure why) {
  connection.LeaveList();
  resources_.budget.Leave();
  resources_.loop.DeferDelete(std::unique_ptr<Deletable>(&connection));
  if (connection.connecting()) {
    queue_.RemoveConnecting();
    queue_.FailExcess(streams_per_connection(), why ? why : Failure{FailureKind::kConnectRefused});
  }
  if (!queue_.empty()) ServeWaiters();
  cluster_.OnConnectionsFreed();
}

void ConnectionPool::Drain() {
  draining_ = true;
  while (!idle_.empty()) idle_.front().Close({});
  busy_.ForEach([](PooledConnection& connection) {
    if (!connection.connecting()) connection.Drain();
  });
}

void ConnectionPool::RevalidatePeers(tls::PeerRevalidation& revalidation) {
  // Moves them out of reach of waiting requests, and of pools that need room at the limit.
  IntrusiveList<PooledConnection> leaving;
  idle_.ForEach([&](PooledConnection& connection) {
    if (peer_.Passes(connection.transport(), revalidation)) return;
    connection.LeaveIdle();
    leaving.PushBack(connection);
  });
  busy_.ForEach([&](PooledConnection& connection) {
    if (connection.connecting()) return;  // checked when it is ready
    if (!peer_.Passes(connection.transport(), revalidation)) connection.DrainUntrusted();
  });
  while (!leaving.empty()) leaving.front().Close({});
}

}  // namespace tulle::upstream
