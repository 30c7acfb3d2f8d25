#include "k8s/api/testing/fake_api_server.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "net/http2/connection.h"

namespace tulle::k8s::testing {

class FakeApiServer::Connection final : private TransportEvents,
                                        private http::ServerConnectionEvents,
                                        public Deletable {
 public:
  Connection(FakeApiServer& server, std::unique_ptr<Transport> transport)
      : server_(server), transport_(std::move(transport)) {
    transport_->SetEvents(this);
    transport_->EnableRead(true);
  }
  ~Connection() override {
    calls_.clear();
    if (codec_ != nullptr) codec_->Close();
    if (transport_ != nullptr) transport_->Close(true);
  }

  void Abort() {
    if (codec_ == nullptr) return;
    codec_->Close();
    Remove();
  }
  void Drain() { codec_->Drain(); }
  void Release(Call& call) {
    server_.Forget(call);
    const auto found = std::find_if(calls_.begin(), calls_.end(),
                                    [&](const auto& each) { return each.get() == &call; });
    server_.loop_.DeferDelete(std::move(*found));
    calls_.erase(found);
  }

 private:
  void OnTransportReady() override {
    codec_ = http2::NewServerConnection(server_.loop_, std::move(transport_), *this, {});
    Buffer early(server_.loop_.slab());
    codec_->Start(early);
  }
  void OnTransportReadable() override {}
  void OnTransportWritable() override {}
  void OnTransportFailed(Failure) override { Remove(); }
  http::StreamEvents* OnStream(http::Stream& stream) override {
    return calls_.emplace_back(std::make_unique<Call>(server_, *this, stream)).get();
  }
  void OnConnectionClosed(Failure) override { Remove(); }

  void Remove() {
    auto& all = server_.connections_;
    const auto self = std::find_if(all.begin(), all.end(),
                                   [this](const auto& each) { return each.get() == this; });
    if (self == all.end()) return;
    calls_.clear();
    server_.loop_.DeferDelete(std::move(*self));
    all.erase(self);
  }

  FakeApiServer& server_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<http::ServerConnection> codec_;
  std::list<std::unique_ptr<Call>> calls_;
};

FakeApiServer::Call::Call(FakeApiServer& server, Connection& connection, http::Stream& stream)
    : server_(server), connection_(connection), stream_(&stream), arena_(server.loop_.slab()) {
  stream_->Pull(1 << 20);
}

FakeApiServer::Call::~Call() {
  server_.Forget(*this);
  if (stream_ != nullptr) stream_->Reset({FailureKind::kDraining});
}

void FakeApiServer::Call::OnHeaders(http::Head& head, bool end) {
  method = head.method;
  target = head.path;
  authorization = head.headers.Get(http::HeaderId::kAuthorization);
  accept = head.headers.Get(http::HeaderId::kAccept);
  const std::vector<std::string> halves =
      absl::StrSplit(target, absl::MaxSplits(absl::ByChar('?'), 1));
  path = halves[0];
  if (halves.size() > 1) {
    for (const std::string& pair : std::vector<std::string>(absl::StrSplit(halves[1], '&'))) {
      const std::vector<std::string> parts =
          absl::StrSplit(pair, absl::MaxSplits(absl::ByChar('='), 1));
      query[parts[0]] = parts.size() > 1 ? parts[1] : "";
    }
  }
  if (end) server_.Handle(*this);
}

void FakeApiServer::Call::OnData(Buffer& data, bool end) {
  body += data.ToString();
  data.Clear();
  if (end) server_.Handle(*this);
}

void FakeApiServer::Call::OnReset(Failure) {
  std::exchange(stream_, nullptr)->Detach();
  connection_.Release(*this);
}

void FakeApiServer::Call::SendHead(int status,
                                   const std::vector<std::pair<std::string, std::string>>& headers,
                                   bool end) {
  http::Head head(arena_);
  head.status = status;
  head.headers.Add("content-type", "application/json");
  for (const auto& [name, value] : headers) head.headers.Add(name, value);
  stream_->SendHeaders(head, end);
}

void FakeApiServer::Call::Answer(int status, const std::string& text,
                                 const std::vector<std::pair<std::string, std::string>>& headers) {
  SendHead(status, headers, false);
  Write(text);
  End();
}

void FakeApiServer::Call::Begin(int status) { SendHead(status, {}, false); }

void FakeApiServer::Call::Write(const std::string& text) {
  Buffer bytes(server_.loop_.slab());
  bytes.Append(text);
  stream_->SendData(bytes, false);
}

void FakeApiServer::Call::End() {
  Buffer none(server_.loop_.slab());
  stream_->SendData(none, true);
  std::exchange(stream_, nullptr)->Detach();
  connection_.Release(*this);
}

void FakeApiServer::Call::Reset() {
  std::exchange(stream_, nullptr)->Reset({FailureKind::kInternal});
  connection_.Release(*this);
}

FakeApiServer::FakeApiServer(loop::Loop& loop, const TransportAcceptor& acceptor,
                             const SocketAddress& at)
    : loop_(loop), acceptor_(acceptor) {
  int error = 0;
  listener_ = loop.Listen(at, {}, *this, &error);
  if (listener_ == nullptr) std::abort();
}

FakeApiServer::~FakeApiServer() {
  // Their calls forget themselves here.
  connections_.clear();
}

void FakeApiServer::OnAccept(std::unique_ptr<loop::Socket> socket) {
  connections_.push_back(
      std::make_unique<Connection>(*this, acceptor_.Accept(loop_, std::move(socket))));
}

void FakeApiServer::Handle(Call& call) {
  requests.push_back(call.method + " " + call.target);
  if (script && script(call)) return;
  if (call.method != "GET") return call.Answer(404, "{}");
  call.query.contains("watch") ? BeginWatch(call) : List(call);
}

namespace {

bool WantsTable(const FakeApiServer::Call& call) {
  return call.accept.find("as=Table") != std::string::npos;
}

// Two of the columns of a pod. Only a listing names them, as a watch that goes on from it.
Json TableOf(const Json& objects) {
  Json rows = Json::array();
  for (const Json& object : objects) {
    const Json status = object.value("status", Json::object());
    Json row{{"cells", {object["metadata"].value("name", ""), status.value("podIP", "<none>")}},
             {"object", {{"metadata", object["metadata"]}}}};
    if (status.value("phase", "") == "Succeeded") {
      row["conditions"] = {{{"type", "Completed"}, {"status", "True"}}};
    }
    rows.push_back(std::move(row));
  }
  return {{"kind", "Table"}, {"columnDefinitions", nullptr}, {"rows", std::move(rows)}};
}

}  // namespace

void FakeApiServer::List(Call& call) {
  const auto& all = objects_[call.path];
  const size_t limit = call.query.contains("limit") ? std::stoul(call.query["limit"]) : all.size();
  // "after/NUMBER", escaped.
  const std::string& token = call.query["continue"];
  const size_t from = token.empty() ? 0 : std::stoul(token.substr(token.find("%2F") + 3));
  auto object = std::next(all.begin(), static_cast<ptrdiff_t>(std::min(from, all.size())));
  Json items = Json::array();
  for (; object != all.end() && items.size() < limit; ++object) items.push_back(object->second);
  Json list{{"kind", "List"}, {"items", std::move(items)}};
  if (WantsTable(call)) {
    list = TableOf(list["items"]);
    list["columnDefinitions"] = {{{"name", "Name"}}, {{"name", "IP"}}};
  }
  list["metadata"]["resourceVersion"] = absl::StrCat(version_);
  if (object != all.end()) list["metadata"]["continue"] = absl::StrCat("after/", from + limit);
  call.Answer(200, list.dump());
}

std::string FakeApiServer::LineOf(const Event& event, const Call& watch) {
  Json object = event.object;
  if (WantsTable(watch)) {
    object = TableOf(Json::array({event.object}));
    object["metadata"]["resourceVersion"] = event.object["metadata"]["resourceVersion"];
  }
  return Json{{"type", event.type}, {"object", std::move(object)}}.dump() + "\n";
}

void FakeApiServer::BeginWatch(Call& call) {
  const int from = std::stoi(call.query["resourceVersion"]);
  if (from < compacted_) {
    return call.Answer(410, R"({"kind":"Status","reason":"Expired","code":410,
                                "message":"too old resource version"})");
  }
  call.Begin(200);
  for (const Event& event : history_) {
    if (event.version > from && event.path == call.path) call.Write(LineOf(event, call));
  }
  watches_.push_back({&call, call.path});
}

void FakeApiServer::Publish(Event event) {
  for (const Watch& watch : watches_) {
    if (watch.path == event.path) watch.call->Write(LineOf(event, *watch.call));
  }
  history_.push_back(std::move(event));
}

void FakeApiServer::Put(const std::string& path, const std::string& ns, const std::string& name,
                        Json object) {
  auto& all = objects_[path];
  const std::string key = ns + "/" + name;
  const bool is_new = !all.contains(key);
  ++version_;
  Json& metadata = object["metadata"];
  if (!ns.empty()) metadata["namespace"] = ns;
  metadata["name"] = name;
  if (!metadata.contains("uid")) {
    metadata["uid"] = is_new ? absl::StrCat("uid-", name, "-", version_)
                             : all[key]["metadata"]["uid"].get<std::string>();
  }
  metadata["resourceVersion"] = absl::StrCat(version_);
  all[key] = object;
  Publish({version_, path, is_new ? "ADDED" : "MODIFIED", std::move(object)});
}

void FakeApiServer::Delete(const std::string& path, const std::string& ns,
                           const std::string& name) {
  auto node = objects_[path].extract(ns + "/" + name);
  if (node.empty()) return;
  node.mapped()["metadata"]["resourceVersion"] = absl::StrCat(++version_);
  Publish({version_, path, "DELETED", std::move(node.mapped())});
}

void FakeApiServer::SendBookmarks() {
  ++version_;
  for (const Watch& watch : watches_) {
    const Json object{{"metadata", {{"resourceVersion", absl::StrCat(version_)}}}};
    watch.call->Write(Json{{"type", "BOOKMARK"}, {"object", object}}.dump() + "\n");
  }
}

void FakeApiServer::WriteToWatches(const std::string& path, const std::string& text) {
  for (const Watch& watch : watches_) {
    if (watch.path == path) watch.call->Write(text);
  }
}

void FakeApiServer::EndWatches() {
  while (!watches_.empty()) watches_.front().call->End();
}

void FakeApiServer::ResetConnections() {
  while (!connections_.empty()) connections_.front()->Abort();
}

void FakeApiServer::AnnounceEnd() {
  for (const auto& each : connections_) each->Drain();
}

size_t FakeApiServer::watches() const { return watches_.size(); }

void FakeApiServer::Forget(Call& call) {
  watches_.remove_if([&](const Watch& watch) { return watch.call == &call; });
}

}  // namespace tulle::k8s::testing
