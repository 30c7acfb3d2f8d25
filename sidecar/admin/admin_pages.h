#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "sidecar/admin/admin_source.h"

namespace tulle::admin {

struct AdminRequest {
  std::string_view method;
  std::string_view target;                // path and query
  std::string_view authority;             // Host
  bool cross_site = false;                // the browser says that another site made the request
  std::string_view accept = {};           // Accept
  std::string_view accept_encoding = {};  // Accept-Encoding
};

struct AdminResponse {
  int status = 200;
  std::string body;
  std::string type = "text/plain; charset=utf-8";
  std::string allow;          // for 405
  std::string encoding = {};  // Content-Encoding of the body; empty: none
  std::string vary = {};      // headers of the request that decided on the form of the body
};

// The admin pages without a transport; paths as in Envoy. Pages that change something accept POST
// only. Owner: AdminServer. Thread: the main loop's.
class AdminPages {
 public:
  using Done = absl::AnyInvocable<void(AdminResponse)>;

  // `source` must outlive it. `loopback`: hosts other than this machine's own names are refused, so
  // that a web page cannot reach us through a DNS name of its own (DNS rebinding).
  AdminPages(AdminSource& source, bool loopback);

  // `done` is called once, immediately or later.
  void Answer(const AdminRequest& request, Done done);

 private:
  struct Query {
    std::map<std::string, std::string, std::less<>> values;
    // What the client takes.
    bool openmetrics = false;
    bool gzip = false;
  };
  struct Page {
    std::string_view path;
    bool changes;  // POST only
    std::string_view help;
    void (AdminPages::*show)(const Query& query, Done done);
  };
  static const Page kPages[];

  bool ProbeApplication(const AdminRequest& request, std::string_view path, Done& done);
  static Query ParseQuery(std::string_view text, const AdminRequest& request);
  void Produce(const AdminSource::Producer& producer, std::string type, Done done);

  void Help(const Query& query, Done done);
  void Ready(const Query& query, Done done);
  void Prometheus(const Query& query, Done done);
  void Stats(const Query& query, Done done);
  void ConfigDump(const Query& query, Done done);
  void Clusters(const Query& query, Done done);
  void Listeners(const Query& query, Done done);
  void Certs(const Query& query, Done done);
  void ServerInfo(const Query& query, Done done);
  void Logging(const Query& query, Done done);
  void Quit(const Query& query, Done done);
  void DrainListeners(const Query& query, Done done);
  void Leave(const Query& query, Done done);

  AdminSource& source_;
  const bool loopback_;
};

}  // namespace tulle::admin
