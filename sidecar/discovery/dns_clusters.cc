#include "sidecar/discovery/dns_clusters.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "sidecar/discovery/dns_refresh.h"

namespace tulle::sidecar {
namespace {

using envoy::config::endpoint::v3::ClusterLoadAssignment;
using envoy::config::endpoint::v3::LbEndpoint;
using telemetry::LogComponent;
using telemetry::LogLevel;

// Routes wait for their clusters: an unresponsive DNS server must not delay the other clusters.
constexpr loop::Duration kPatience = std::chrono::seconds(1);

std::string& HostOf(LbEndpoint& endpoint) {
  return *endpoint.mutable_endpoint()
              ->mutable_address()
              ->mutable_socket_address()
              ->mutable_address();
}

}  // namespace

// One cluster: each of its names has its own timer.
class DnsClusters::Cluster {
 public:
  // `former` is the cluster before it was changed, or null.
  Cluster(DnsClusters& owner, std::string name, std::shared_ptr<const upstream::DnsSpec> spec,
          const Cluster* former)
      : owner_(owner), name_(std::move(name)), spec_(std::move(spec)) {
    assignment_.ParseFromString(spec_->assignment);
    for (auto& locality : *assignment_.mutable_endpoints()) {
      for (LbEndpoint& endpoint : *locality.mutable_lb_endpoints()) {
        auto [at, is_new] = names_.try_emplace(HostOf(endpoint));
        if (!is_new) continue;
        at->second.timer = owner_.loop_.NewTimer([this, host = at->first] { Ask(host); });
      }
    }
    if (former != nullptr) TakeOver(*former);
    for (const auto& [host, name_state] : names_) Ask(host);
    patience_ = owner_.loop_.NewTimer([this] {
      for (auto& [host, name_state] : names_) name_state.is_answered = true;
      Tell();
    });
    patience_->Start(kPatience);
  }

  const upstream::DnsSpec* spec() const { return spec_.get(); }
  // Cancels all questions.
  void Leave() {
    patience_->Stop();
    for (auto& [host, name_state] : names_) {
      name_state.question.reset();
      name_state.timer->Stop();
    }
  }

 private:
  struct Name {
    std::vector<SocketAddress> addresses;
    std::unique_ptr<dns::Resolver::Question> question;
    std::unique_ptr<loop::Timer> timer;
    std::string error;  // that was logged
    bool is_answered = false;
  };

  void TakeOver(const Cluster& former);
  void Ask(const std::string& host) {
    names_.at(host).question = owner_.resolver_.Ask(
        host, static_cast<dns::Family>(spec_->family),
        [this, host](dns::Answer answer) { OnAnswer(host, std::move(answer)); });
  }
  void OnAnswer(const std::string& host, dns::Answer answer);
  void Tell() const;

  DnsClusters& owner_;
  const std::string name_;
  const std::shared_ptr<const upstream::DnsSpec> spec_;
  ClusterLoadAssignment assignment_;
  std::map<std::string, Name> names_;
  std::unique_ptr<loop::Timer> patience_;
};

// A change of the cluster does not invalidate its addresses: they stay until DNS answers, unless
// the address family changed.
void DnsClusters::Cluster::TakeOver(const Cluster& former) {
  if (former.spec_->family != spec_->family) return;
  for (auto& [host, name] : names_) {
    const auto known = former.names_.find(host);
    if (known != former.names_.end()) name.addresses = known->second.addresses;
  }
}

void DnsClusters::Cluster::OnAnswer(const std::string& host, dns::Answer answer) {
  Name& name = names_.at(host);
  name.question.reset();
  name.timer->Start(NextQuestion(*spec_, answer, owner_.loop_.random().Below(1000)));
  const bool is_first = !std::exchange(name.is_answered, true);
  if (!answer.addresses.empty()) {
    name.error.clear();
    if (!is_first && name.addresses == answer.addresses) return;
    name.addresses = std::move(answer.addresses);
    return Tell();
  }
  if (answer.error != name.error) {
    owner_.log_.Write(
        LogLevel::kWarning, LogComponent::kConfig,
        absl::StrCat("cluster ", name_, ": ", answer.error,
                     name.addresses.empty() ? "" : "; keeping the last known addresses"));
  }
  name.error = std::move(answer.error);
  if (is_first) Tell();
}

// Puts the addresses under the name by which the loader looks for the cluster's endpoints.
void DnsClusters::Cluster::Tell() const {
  const bool all_answered = std::all_of(names_.begin(), names_.end(),
                                        [](const auto& entry) { return entry.second.is_answered; });
  if (!all_answered) return;
  patience_->Stop();
  ClusterLoadAssignment resolved = assignment_;
  resolved.set_cluster_name(spec_->endpoints_name);
  for (auto& locality : *resolved.mutable_endpoints()) {
    auto hosts = locality.lb_endpoints();
    locality.clear_lb_endpoints();
    for (LbEndpoint& endpoint : hosts) {
      const std::string host = HostOf(endpoint);
      if (endpoint.endpoint().hostname().empty()) endpoint.mutable_endpoint()->set_hostname(host);
      for (const SocketAddress& address : names_.at(host).addresses) {
        HostOf(endpoint) = address.host();
        *locality.add_lb_endpoints() = endpoint;
        if (spec_->is_logical) break;
      }
    }
  }
  const absl::Status put =
      owner_.sidecar_.loader().Put(config::ResourceKind::kEndpoints, spec_->endpoints_name,
                                   resolved.SerializeAsString(), config::Origin::kDynamic);
  if (!put.ok()) {
    owner_.log_.Write(LogLevel::kError, LogComponent::kConfig, std::string(put.message()));
  }
  owner_.Publish();
}

DnsClusters::DnsClusters(loop::Loop& loop, Sidecar& sidecar, dns::Resolver& resolver,
                         telemetry::Log& log)
    : loop_(loop), sidecar_(sidecar), resolver_(resolver), log_(log) {
  sidecar_.OnBeforePublish([this] { Follow(); });
}

DnsClusters::~DnsClusters() { sidecar_.OnBeforePublish(nullptr); }

void DnsClusters::Follow() {
  std::map<std::string, std::unique_ptr<Cluster>> former = std::exchange(clusters_, {});
  for (const auto& spec : sidecar_.loader().dns_clusters()) {
    const auto known = former.find(spec->name);
    const Cluster* before = known == former.end() ? nullptr : known->second.get();
    const bool is_same = before != nullptr && *before->spec() == *spec->dns;
    clusters_[spec->name] = is_same
                                ? std::move(known->second)
                                : std::make_unique<Cluster>(*this, spec->name, spec->dns, before);
  }
  // One of them may be the caller.
  for (auto& [name, cluster] : former) {
    if (cluster == nullptr) continue;
    cluster->Leave();
    loop_.Post([gone = std::move(cluster)] {});
  }
}

}  // namespace tulle::sidecar
