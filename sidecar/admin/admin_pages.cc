// The table of admin pages and their handlers.
#include "sidecar/admin/admin_pages.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "net/base/socket_address.h"
#include "sidecar/admin/accept.h"
#include "sidecar/admin/gzip.h"
#include "telemetry/openmetrics.h"
#include "telemetry/prometheus.h"

namespace tulle::admin {
namespace {

constexpr char kJson[] = "application/json";

AdminResponse Text(int status, std::string body) {
  return {status, std::move(body), "text/plain", {}};
}

AdminResponse NotAvailable() { return Text(404, "not available in this process\n"); }

bool IsJson(const std::map<std::string, std::string, std::less<>>& query) {
  const auto format = query.find("format");
  return format != query.end() && format->second == "json";
}

// Names that refer to this machine: an address, or localhost.
bool IsOwnName(std::string_view authority) {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  std::string_view host = authority;
  if (colon != host.npos && (bracket == host.npos || colon > bracket)) host = host.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return host.empty() || host == "localhost" || SocketAddress::Parse(host, 0).has_value();
}

}  // namespace

const AdminPages::Page AdminPages::kPages[] = {
    {"/", false, "this page", &AdminPages::Help},
    {"/certs", false, "certificates in use: names and validity", &AdminPages::Certs},
    {"/clusters", false, "clusters and their endpoints (?format=json)", &AdminPages::Clusters},
    {"/config_dump", false, "current configuration", &AdminPages::ConfigDump},
    {"/drain_listeners", true, "stop accepting connections, let requests finish",
     &AdminPages::DrainListeners},
    {"/healthz/ready", false, "the same as /ready", &AdminPages::Ready},
    {"/leave", true, "leave the mesh and continue to serve, before the application ends",
     &AdminPages::Leave},
    {"/listeners", false, "listeners and their addresses (?format=json)", &AdminPages::Listeners},
    {"/logging", true, "log levels; set with ?level=debug or ?xds=debug", &AdminPages::Logging},
    {"/metrics", false, "the same as /stats/prometheus", &AdminPages::Prometheus},
    {"/quitquitquit", true, "stop the process", &AdminPages::Quit},
    {"/ready", false, "LIVE, or 503 with the state", &AdminPages::Ready},
    {"/server_info", false, "version and state", &AdminPages::ServerInfo},
    {"/stats", false, "metrics, one per line (?format=prometheus)", &AdminPages::Stats},
    {"/stats/prometheus", false, "metrics in Prometheus' text format, or OpenMetrics by Accept",
     &AdminPages::Prometheus},
};

AdminPages::AdminPages(AdminSource& source, bool loopback) : source_(source), loopback_(loopback) {}

void AdminPages::Answer(const AdminRequest& request, Done done) {
  if (request.cross_site || (loopback_ && !IsOwnName(request.authority))) {
    done(Text(403,
              "forbidden: use localhost or an IP address as host; requests from other sites are "
              "refused\n"));
    return;
  }
  const size_t question = request.target.find('?');
  const std::string_view path = request.target.substr(0, question);
  if (source_.app_probe && ProbeApplication(request, path, done)) return;
  for (const Page& page : kPages) {
    if (page.path != path) continue;
    const bool reads = request.method == "GET" || request.method == "HEAD";
    if (page.changes ? request.method != "POST" : !reads) {
      AdminResponse refusal = Text(
          405, page.changes ? "method not allowed: use POST\n" : "method not allowed: use GET\n");
      refusal.allow = page.changes ? "POST" : "GET, HEAD";
      done(std::move(refusal));
      return;
    }
    const Query query = ParseQuery(
        question == request.target.npos ? std::string_view() : request.target.substr(question + 1),
        request);
    (this->*page.show)(query, std::move(done));
    return;
  }
  done(Text(404, "not found; see / for all pages\n"));
}

// True: answered, or it will be.
bool AdminPages::ProbeApplication(const AdminRequest& request, std::string_view path, Done& done) {
  if (!path.starts_with("/app-health/") || (request.method != "GET" && request.method != "HEAD"))
    return false;
  auto answer = std::make_shared<Done>(std::move(done));
  const bool known = source_.app_probe(path, [answer](bool good) {
    (*answer)(good ? Text(200, "OK\n")
                   : Text(503, "the application did not answer its probe as expected\n"));
  });
  if (!known) (*answer)(Text(404, "not found: the pod declares no such probe\n"));
  return true;
}

AdminPages::Query AdminPages::ParseQuery(std::string_view text, const AdminRequest& request) {
  Query query;
  const double openmetrics = QualityOf(request.accept, "application/openmetrics-text");
  query.openmetrics = openmetrics > 0 && openmetrics >= QualityOf(request.accept, "text/plain");
  query.gzip = QualityOf(request.accept_encoding, "gzip") > 0;
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    const size_t equals = pair.find('=');
    if (!pair.empty()) {
      query.values[std::string(pair.substr(0, equals))] =
          equals == pair.npos ? std::string() : std::string(pair.substr(equals + 1));
    }
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return query;
}

void AdminPages::Produce(const AdminSource::Producer& producer, std::string type, Done done) {
  if (!producer) return done(NotAvailable());
  producer([type = std::move(type), done = std::move(done)](std::string body) mutable {
    done({200, std::move(body), std::move(type), {}});
  });
}

void AdminPages::Help(const Query&, Done done) {
  std::string body = "tulle-sidecar admin pages\n\n";
  for (const Page& page : kPages) {
    std::string line = std::string(page.changes ? "POST " : "GET  ") + std::string(page.path);
    line.resize(std::max<size_t>(line.size() + 2, 26), ' ');
    body += line + std::string(page.help) + "\n";
  }
  done(Text(200, std::move(body)));
}

void AdminPages::Ready(const Query&, Done done) {
  if (!source_.state) return done(NotAvailable());
  const AdminSource::State state = source_.state();
  std::string body = state.name + "\n";
  for (const std::string& problem : state.problems) body += problem + "\n";
  done(Text(state.ready ? 200 : 503, std::move(body)));
}

void AdminPages::Prometheus(const Query& query, Done done) {
  if (!source_.metrics) return done(NotAvailable());
  AdminResponse answer{200,
                       telemetry::PrometheusText(source_.metrics(), query.openmetrics),
                       std::string(telemetry::kPrometheusType),
                       {}};
  answer.vary = "accept, accept-encoding";
  if (query.openmetrics) {
    answer.body = telemetry::OpenMetricsOf(answer.body);
    answer.type = telemetry::kOpenMetricsType;
  }
  if (query.gzip) {
    std::string small = Gzip(answer.body);
    if (!small.empty()) {
      answer.body = std::move(small);
      answer.encoding = "gzip";
    }
  }
  done(std::move(answer));
}

void AdminPages::Stats(const Query& query, Done done) {
  const auto format = query.values.find("format");
  if (format != query.values.end() && format->second == "prometheus") {
    return Prometheus(query, std::move(done));
  }
  if (!source_.metrics) return done(NotAvailable());
  done(Text(200, telemetry::PlainText(source_.metrics())));
}

void AdminPages::ConfigDump(const Query&, Done done) {
  Produce(source_.config_dump_json, kJson, std::move(done));
}

void AdminPages::Clusters(const Query& query, Done done) {
  const bool json = IsJson(query.values);
  Produce(json ? source_.clusters_json : source_.clusters_text, json ? kJson : "text/plain",
          std::move(done));
}

void AdminPages::Listeners(const Query& query, Done done) {
  const bool json = IsJson(query.values);
  Produce(json ? source_.listeners_json : source_.listeners_text, json ? kJson : "text/plain",
          std::move(done));
}

void AdminPages::Certs(const Query&, Done done) {
  Produce(source_.certs_json, kJson, std::move(done));
}

void AdminPages::ServerInfo(const Query&, Done done) {
  Produce(source_.server_info_json, kJson, std::move(done));
}

void AdminPages::Logging(const Query& query, Done done) {
  if (source_.log == nullptr) return done(NotAvailable());
  // All or nothing: check everything first.
  for (const auto& [name, value] : query.values) {
    if (name != "level" && !telemetry::ParseLogComponent(name)) {
      return done(Text(400, "unknown component; POST /logging lists them\n"));
    }
    if (!telemetry::ParseLogLevel(value)) {
      return done(Text(400, "invalid level: must be trace, debug, info, warning, error or off\n"));
    }
  }
  if (const auto all = query.values.find("level"); all != query.values.end()) {
    source_.log->SetLevel(*telemetry::ParseLogLevel(all->second));
  }
  for (const auto& [name, value] : query.values) {
    if (name == "level") continue;
    source_.log->SetLevel(*telemetry::ParseLogComponent(name), *telemetry::ParseLogLevel(value));
  }
  std::string body = "active loggers:\n";
  for (size_t i = 0; i < static_cast<size_t>(telemetry::LogComponent::kCount); ++i) {
    const auto component = static_cast<telemetry::LogComponent>(i);
    body += "  " + std::string(NameOf(component)) + ": " +
            std::string(NameOf(source_.log->level(component))) + "\n";
  }
  done(Text(200, std::move(body)));
}

void AdminPages::Quit(const Query&, Done done) {
  if (!source_.quit) return done(NotAvailable());
  done(Text(200, "OK\n"));
  source_.quit();
}

void AdminPages::DrainListeners(const Query&, Done done) {
  if (!source_.drain_listeners) return done(NotAvailable());
  source_.drain_listeners();
  done(Text(200, "OK\n"));
}

void AdminPages::Leave(const Query&, Done done) {
  if (!source_.leave) return done(NotAvailable());
  source_.leave([done = std::move(done)]() mutable { done(Text(200, "OK\n")); });
}

}  // namespace tulle::admin
