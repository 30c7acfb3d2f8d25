// An API server for tests: keeps objects, answers list and watch as Kubernetes does (pages,
// versions, bookmarks, 410 for versions that were compacted, tables of pods), and lets a test
// answer in its stead. Owner: the test; it outlives the loop's turns. Thread: the loop's.
#pragma once

#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "net/base/deletable.h"
#include "net/http/connection.h"
#include "net/loop/loop.h"
#include "net/socket/transports.h"

namespace tulle::k8s::testing {

using Json = nlohmann::json;

class FakeApiServer final : private loop::ListenerEvents {
 public:
  class Connection;

  // One request, complete. Valid until it is answered, or its connection is lost.
  class Call final : public http::StreamEvents, public Deletable {
   public:
    Call(FakeApiServer& server, Connection& connection, http::Stream& stream);
    ~Call() override;

    std::string method, target, path, authorization, accept, body;
    std::map<std::string, std::string> query;

    void Answer(int status, const std::string& text,
                const std::vector<std::pair<std::string, std::string>>& headers = {});
    // In pieces: Begin, Write, then End, or Reset.
    void Begin(int status);
    void Write(const std::string& text);
    void End();
    void Reset();

   private:
    Arena& arena() override { return arena_; }
    void OnInterim(http::Head&) override {}
    void OnHeaders(http::Head& head, bool end) override;
    void OnData(Buffer& data, bool end) override;
    void OnTrailers(http::HeaderMap&) override {}
    void OnReset(Failure) override;
    void OnSendRoom() override {}
    void SendHead(int status, const std::vector<std::pair<std::string, std::string>>& headers,
                  bool end);

    FakeApiServer& server_;
    Connection& connection_;
    http::Stream* stream_;
    Arena arena_;
  };

  FakeApiServer(loop::Loop& loop, const TransportAcceptor& acceptor, const SocketAddress& at);
  ~FakeApiServer() override;

  // Sets namespace, name, uid (unless it has one) and resourceVersion.
  void Put(const std::string& path, const std::string& ns, const std::string& name, Json object);
  void Delete(const std::string& path, const std::string& ns, const std::string& name);
  // Watches must begin after this version: others get 410.
  void Compact() { compacted_ = version_; }
  void SendBookmarks();
  // Sends this to all watches of a path, as it is.
  void WriteToWatches(const std::string& path, const std::string& text);
  void EndWatches();
  void ResetConnections();
  void AnnounceEnd();  // GOAWAY

  // True: the test answers, now or later.
  std::function<bool(Call&)> script;
  std::vector<std::string> requests;  // METHOD TARGET, in order
  size_t watches() const;
  size_t connections() const { return connections_.size(); }

 private:
  struct Event {
    int version;
    std::string path, type;
    Json object;
  };
  struct Watch {
    Call* call;
    std::string path;
  };

  void OnAccept(std::unique_ptr<loop::Socket> socket) override;
  void Handle(Call& call);
  void List(Call& call);
  void BeginWatch(Call& call);
  void Publish(Event event);
  void Forget(Call& call);
  static std::string LineOf(const Event& event, const Call& watch);

  loop::Loop& loop_;
  const TransportAcceptor& acceptor_;
  std::unique_ptr<loop::Listener> listener_;
  std::list<std::unique_ptr<Connection>> connections_;
  std::map<std::string, std::map<std::string, Json>> objects_;  // by path, by NAMESPACE/NAME
  std::vector<Event> history_;
  std::list<Watch> watches_;
  int version_ = 100;
  int compacted_ = 0;
};

}  // namespace tulle::k8s::testing
