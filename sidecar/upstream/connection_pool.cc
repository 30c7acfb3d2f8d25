// Opens, reuses and closes connections, and serves waiting requests.
#include "sidecar/upstream/connection_pool.h"

#include <utility>

#include "sidecar/upstream/cluster.h"
#include "sidecar/upstream/failures.h"

namespace tulle::upstream {

void StreamWaiter::Withdraw() {
  if (pool_ != nullptr) pool_->LeaveQueue(*this);
}

bool StreamWaiter::connection_under_way() const {
  return pool_ != nullptr && pool_->connecting_ > 0;
}

void StreamWaiter::OnWaitTimeout() { pool_->OnWaitTimeout(*this); }

PooledConnection::~PooledConnection() = default;

void PooledConnection::Start() {
  Cluster& cluster = pool_.cluster();
  const Endpoint& endpoint = pool_.endpoint();
  dialled_by_ = endpoint.socket().tls;
  codec_ = NewCodec(
      pool_.version(), cluster.loop(), cluster.deadlines(), cluster.spec(),
      Dial(cluster.loop(), cluster.spec(), endpoint.spec(), endpoint.socket(), pool_.version()),
      *this);
  connect_timer_ = cluster.loop().NewTimer([this] {
    codec_->Close();
    OnConnectionClosed({FailureKind::kConnectTimeout});
  });
  connect_timer_->Start(cluster.spec().connect_timeout);
  codec_->Start();
}

void PooledConnection::OnConnectionReady() {
  connect_timer_.reset();
  const auto dialled_by = std::move(dialled_by_);
  if (!pool_.endpoint().Admits(codec_->transport(), dialled_by.get())) {
    codec_->Close();
    return OnConnectionClosed(
        {FailureKind::kPeerRefused, "the endpoint has an unexpected SPIFFE ID"});
  }
  pool_.OnConnected(*this);
}

void PooledConnection::OnStreamRoom() { pool_.OnRoom(*this); }

void PooledConnection::OnConnectionClosed(Failure why) { pool_.OnClosed(*this, why); }

ConnectionPool::ConnectionPool(Cluster& cluster, Endpoint& endpoint, HttpVersion version)
    : cluster_(cluster), endpoint_(endpoint), version_(version) {}

ConnectionPool::~ConnectionPool() {
  while (!queue_.empty()) Unqueue();
  for (IntrusiveList<PooledConnection>* list : {&idle_, &busy_}) {
    while (!list->empty()) {
      PooledConnection& connection = list->PopFront();
      if (connection.codec_ != nullptr) connection.codec_->Close();
      cluster_.LeaveConnection();
      cluster_.loop().DeferDelete(std::move(connection.codec_));
      delete &connection;
    }
  }
}

uint32_t ConnectionPool::streams_per_connection() const {
  return version_ == HttpVersion::k1 ? 1 : cluster_.spec().http2_concurrent_streams;
}

bool ConnectionPool::IsSpent(const PooledConnection& connection) const {
  const ClusterSpec& spec = cluster_.spec();
  const uint32_t cap = spec.max_requests_per_connection;
  if (cap != 0 && connection.streams_opened_ >= cap) return true;
  return spec.max_connection_age.count() > 0 &&
         cluster_.loop().Now() - connection.ready_since_ >= spec.max_connection_age;
}

// Idle connections that are too old, and those found closed in this very turn; each ends by itself.
void ConnectionPool::CloseSpent() {
  while (!idle_.empty() && (IsSpent(idle_.front()) || idle_.front().codec_->StreamRoom() == 0)) {
    PooledConnection& connection = idle_.PopFront();
    static_cast<ListNode<PooledConnection, Cluster>&>(connection).Unlink();
    busy_.PushBack(connection);
    connection.codec_->Drain();
  }
}

PooledConnection* ConnectionPool::FindRoom(bool fresh) {
  CloseSpent();
  if (!fresh && !idle_.empty()) return &idle_.front();
  PooledConnection* found = nullptr;
  const auto consider = [&](PooledConnection& connection) {
    if (found == nullptr && !connection.connecting_ && connection.codec_->StreamRoom() > 0 &&
        !IsSpent(connection) && !(fresh && connection.codec_->used())) {
      found = &connection;
    }
  };
  if (fresh) idle_.ForEach(consider);
  if (version_ == HttpVersion::k2) busy_.ForEach(consider);
  return found;
}

Acquired ConnectionPool::OpenOn(PooledConnection& connection, http::StreamEvents& events) {
  static_cast<ListNode<PooledConnection>&>(connection).Unlink();
  static_cast<ListNode<PooledConnection, Cluster>&>(connection).Unlink();
  busy_.PushBack(connection);
  Acquired acquired;
  acquired.reused = connection.codec_->used();
  acquired.transport = &connection.codec_->transport();
  acquired.stream = &connection.codec_->Open(events);
  ++connection.streams_opened_;
  return acquired;
}

Acquired ConnectionPool::Acquire(StreamWaiter& waiter, bool fresh) {
  if (queue_.empty()) {
    if (PooledConnection* connection = FindRoom(fresh)) return OpenOn(*connection, waiter.events());
  }
  Acquired acquired;
  if (!cluster_.TryEnterPending()) {
    acquired.failure = {failures::kOverflow, "too many pending requests"};
    return acquired;
  }
  waiter.fresh_ = fresh;
  Queue(waiter);
  if (connecting_ * streams_per_connection() < waiters_) Connect();
  return acquired;
}

bool ConnectionPool::Connect() {
  if (!cluster_.TryEnterConnection()) return false;
  auto* connection = new PooledConnection(*this);
  ++connections_;
  ++connecting_;
  busy_.PushBack(*connection);
  connection->Start();
  return true;
}

void ConnectionPool::ServeWaiters() {
  while (!queue_.empty()) {
    PooledConnection* connection = FindRoom(queue_.front().fresh_);
    if (connection == nullptr) break;
    StreamWaiter& waiter = Unqueue();
    const Acquired acquired = OpenOn(*connection, waiter.events());
    waiter.OnStream(*acquired.stream, *acquired.transport, acquired.reused);
  }
  while (connecting_ * streams_per_connection() < waiters_ && Connect()) {
  }
}

void ConnectionPool::Queue(StreamWaiter& waiter) {
  waiter.pool_ = this;
  queue_.PushBack(waiter);
  ++waiters_;
  cluster_.deadlines().Set(waiter.wait_, cluster_.spec().connect_timeout);
}

StreamWaiter& ConnectionPool::Unqueue() {
  StreamWaiter& waiter = queue_.front();
  LeaveQueue(waiter);
  return waiter;
}

void ConnectionPool::LeaveQueue(StreamWaiter& waiter) {
  waiter.pool_ = nullptr;
  waiter.wait_.Clear();
  static_cast<ListNode<StreamWaiter>&>(waiter).Unlink();
  --waiters_;
  cluster_.LeavePending();
}

// A connection being established has its own timeout; other waiters wait for one to be returned.
void ConnectionPool::OnWaitTimeout(StreamWaiter& waiter) {
  if (connecting_ > 0)
    return cluster_.deadlines().Set(waiter.wait_, cluster_.spec().connect_timeout);
  LeaveQueue(waiter);
  waiter.OnNoStream({failures::kOverflow, "no connection became free within connect_timeout"});
}

// Waiters without a pending connection.
void ConnectionPool::FailExcessWaiters(Failure why) {
  while (waiters_ > connecting_ * streams_per_connection()) Unqueue().OnNoStream(why);
}

void ConnectionPool::MarkIdle(PooledConnection& connection) {
  static_cast<ListNode<PooledConnection>&>(connection).Unlink();
  idle_.PushFront(connection);
  connection.idle_since_ = cluster_.loop().Now();
  cluster_.OnConnectionIdle(connection);
}

void ConnectionPool::OnConnected(PooledConnection& connection) {
  connection.connecting_ = false;
  connection.ready_since_ = cluster_.loop().Now();
  --connecting_;
  OnRoom(connection);
}

void ConnectionPool::OnRoom(PooledConnection& connection) {
  if (IsSpent(connection) || (draining_ && waiters_ == 0)) return connection.codec_->Drain();
  if (connection.codec_->active_streams() == 0 && connection.codec_->StreamRoom() > 0)
    MarkIdle(connection);
  if (waiters_ > 0) ServeWaiters();
  if (draining_ && waiters_ == 0) return Drain();
  cluster_.OnPoolServed();
}

void ConnectionPool::OnClosed(PooledConnection& connection, Failure why) {
  static_cast<ListNode<PooledConnection>&>(connection).Unlink();
  static_cast<ListNode<PooledConnection, Cluster>&>(connection).Unlink();
  const bool connecting = connection.connecting_;
  --connections_;
  if (connecting) --connecting_;
  cluster_.LeaveConnection();
  if (connection.connect_timer_ != nullptr) connection.connect_timer_->Stop();
  cluster_.loop().DeferDelete(std::unique_ptr<Deletable>(&connection));
  if (connecting) FailExcessWaiters(why ? why : Failure{FailureKind::kConnectRefused});
  if (waiters_ > 0) ServeWaiters();
  cluster_.OnConnectionGone(endpoint_);
}

void ConnectionPool::Drain() {
  draining_ = true;
  while (!idle_.empty()) {
    PooledConnection& connection = idle_.front();
    connection.codec_->Close();
    OnClosed(connection, {});
  }
  busy_.ForEach([](PooledConnection& connection) {
    if (!connection.connecting_) connection.codec_->Drain();
  });
}

void ConnectionPool::RevalidatePeers(tls::PeerRevalidation& revalidation) {
  // Moves them out of reach of waiting requests, and of pools that need room at the limit.
  IntrusiveList<PooledConnection> leaving;
  idle_.ForEach([&](PooledConnection& connection) {
    if (endpoint_.Passes(connection.codec_->transport(), revalidation)) return;
    static_cast<ListNode<PooledConnection, Cluster>&>(connection).Unlink();
    leaving.PushBack(connection);
  });
  busy_.ForEach([&](PooledConnection& connection) {
    if (connection.connecting_) return;  // checked when it is ready
    if (endpoint_.Passes(connection.codec_->transport(), revalidation)) return;
    connection.codec_->ResetUpgraded();
    connection.codec_->Drain();
  });
  while (!leaving.empty()) {
    PooledConnection& connection = leaving.front();
    connection.codec_->Close();
    OnClosed(connection, {});
  }
}

}  // namespace tulle::upstream
