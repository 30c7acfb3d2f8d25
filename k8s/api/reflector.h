// Keeps its owner informed of all objects of one resource: lists them page by page, then watches
// them. A watch that ends, or whose connection is lost, resumes at the last version seen; bookmarks
// keep that version recent. Where the server no longer has it (410 Gone), or an event cannot be
// read, the objects are listed again and the differences reported.
//
// Calls match: (OnUpsert | OnDelete)* OnSynced (OnUpsert | OnDelete)*, with OnProblem anywhere.
// Owner: whoever reads the objects; destroy it outside of its events. Thread: the loop's. Errors
// are reported and tried again after a jittered back-off, or after the time that the server names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "k8s/api/client.h"
#include "k8s/api/event_lines.h"
#include "k8s/api/json.h"
#include "k8s/api/known_objects.h"
#include "k8s/api/table.h"
#include "net/loop/loop.h"

namespace tulle::k8s {

enum class Form {
  kWhole,
  kMetadata,  // PartialObjectMetadata
  kTable,     // what Table::Read() makes of a row
};

struct Resource {
  std::string path;  // "/api/v1/services": of all namespaces
  Form form = Form::kWhole;
  std::string only = {};  // the object of this name; empty: all
};

class ReflectorEvents {
 public:
  virtual ~ReflectorEvents() = default;
  virtual void OnUpsert(const ObjectKey& key, const Json& object) = 0;
  virtual void OnDelete(const ObjectKey& key) = 0;
  // The first listing is complete. Once.
  virtual void OnSynced() = 0;
  virtual void OnProblem(const std::string& text) = 0;
};

class Reflector final : private Client::Waiter, private ExchangeEvents {
 public:
  struct Options {
    int page = 100;  // objects
    size_t longest_event = size_t{4} << 20;
    loop::Duration first_backoff = std::chrono::milliseconds(500);
    loop::Duration last_backoff = std::chrono::seconds(30);
    int shortest_watch_seconds = 300;  // the server ends a watch after up to twice as long
  };

  // `client` and `events` outlive this.
  Reflector(loop::Loop& loop, Client& client, Resource resource, const Options& options,
            ReflectorEvents& events);
  ~Reflector() override;

  void Start() { List(); }
  bool synced() const { return is_synced_; }
  // The last listing failed because there is no such resource, or because it may not be listed.
  bool refused() const { return is_listing_refused_; }
  size_t size() const { return known_.size(); }

 private:
  void OnClientReady() override { Go(); }
  void OnHead(int status, loop::Duration retry_after) override;
  void OnBody(std::string_view bytes) override;
  void OnEnd(const std::string& error) override;

  // Does what comes next: a page of a listing, or a watch.
  void Go();
  void List();
  void OpenWatch();
  void OnPage(Answer answer);
  void EndListing(const Json& page);
  void OnEvent(std::string_view line);
  void OnErrorEvent(const Json& status);
  void Put(const Json& object);
  void Remove(const Json& object);
  void Retry(const std::string& problem, loop::Duration at_least = {});
  void StopWatch();
  // `kind`: that of metadata alone.
  std::string Accept(const char* kind) const;
  // ?limit=... of a listing, ?watch=... of a watch.
  std::string Target(const std::string& query) const;

  loop::Loop& loop_;
  Client& client_;
  const Resource resource_;
  const Options options_;
  ReflectorEvents& events_;
  KnownObjects known_;
  Table table_;
  EventLines lines_;
  std::unique_ptr<loop::Timer> retry_;
  std::unique_ptr<Call> page_;
  std::unique_ptr<Exchange> watch_;
  AnswerCollector refusal_;  // of a watch
  bool is_refused_ = false;
  bool is_listing_ = true;
  int page_size_;  // smaller than that of the options where objects are large
  bool is_listing_refused_ = false;
  bool is_synced_ = false;
  std::string continue_;  // of the listing
  std::string version_;   // up to which everything is known
  loop::Duration cap_;    // of the back-off
  loop::Instant watching_since_{};
};

}  // namespace tulle::k8s
