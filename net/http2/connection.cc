#include "net/http2/connection.h"

#include <utility>

#include "net/http2/session.h"

namespace tulle::http2 {
namespace {

class Server final : public http::ServerConnection, private SessionEvents {
 public:
  Server(loop::Loop& loop, std::unique_ptr<Transport> transport,
         http::ServerConnectionEvents& events, const Options& options)
      : events_(events), session_(Role::kServer, loop, std::move(transport), *this, options) {}

  void Start(Buffer& early) override { session_.Start(&early); }
  void Drain() override { session_.Drain(); }
  void Close() override { session_.Close(); }
  Transport& transport() override { return session_.transport(); }
  size_t active_streams() const override { return session_.active_streams(); }

 private:
  void OnSessionReady() override {}
  http::StreamEvents* OnSessionStream(http::Stream& stream) override {
    return events_.OnStream(stream);
  }
  void OnSessionRoom() override {}
  void OnSessionClosed(Failure why) override { events_.OnConnectionClosed(why); }

  http::ServerConnectionEvents& events_;
  Session session_;
};

class Client final : public http::ClientConnection, private SessionEvents {
 public:
  Client(loop::Loop& loop, std::unique_ptr<Transport> transport,
         http::ClientConnectionEvents& events, const Options& options)
      : events_(events), session_(Role::kClient, loop, std::move(transport), *this, options) {}

  void Start() override { session_.Start(nullptr); }
  size_t StreamRoom() const override { return session_.StreamRoom(); }
  http::Stream& Open(http::StreamEvents& events) override {
    used_ = true;
    return session_.Open(events);
  }
  size_t active_streams() const override { return session_.active_streams(); }
  bool used() const override { return used_; }
  void Drain() override { session_.Drain(); }
  void Close() override { session_.Close(); }
  Transport& transport() override { return session_.transport(); }

 private:
  void OnSessionReady() override { events_.OnConnectionReady(); }
  http::StreamEvents* OnSessionStream(http::Stream&) override { return nullptr; }
  void OnSessionRoom() override { events_.OnStreamRoom(); }
  void OnSessionClosed(Failure why) override { events_.OnConnectionClosed(why); }

  http::ClientConnectionEvents& events_;
  Session session_;
  bool used_ = false;
};

}  // namespace

std::unique_ptr<http::ServerConnection> NewServerConnection(loop::Loop& loop,
                                                            std::unique_ptr<Transport> transport,
                                                            http::ServerConnectionEvents& events,
                                                            const Options& options) {
  return std::make_unique<Server>(loop, std::move(transport), events, options);
}

std::unique_ptr<http::ClientConnection> NewClientConnection(loop::Loop& loop,
                                                            std::unique_ptr<Transport> transport,
                                                            http::ClientConnectionEvents& events,
                                                            const Options& options) {
  return std::make_unique<Client>(loop, std::move(transport), events, options);
}

}  // namespace tulle::http2
