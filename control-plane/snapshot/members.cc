#include "control-plane/snapshot/members.h"

#include <charconv>
#include <utility>

#include "control-plane/snapshot/names.h"

namespace tulle::snapshot {
namespace {

constexpr std::string_view kBytes = "bytes@";

Snapshot MakeMember(const MeshView& view, const Member& member) {
  Snapshot made;
  AddMemberClusters(view, member, &made.clusters);
  AddMemberListener(view, member, &made.listeners);
  return made;
}

// "outbound|PORT|ADDRESS_PORT|HOST": ADDRESS_PORT, without the mark of bytes. Empty: another name.
std::string_view MemberOfCluster(std::string_view cluster) {
  const size_t last = cluster.rfind('|');
  if (!cluster.starts_with("outbound|") || last == 0) return {};
  const size_t before = cluster.rfind('|', last - 1);
  std::string_view member = cluster.substr(before + 1, last - before - 1);
  if (member.starts_with(kBytes)) member.remove_prefix(kBytes.size());
  return member;
}

policy::Protocol ProtocolOf(const MeshView& view, const discovery::ServiceName& service,
                            uint32_t port) {
  return view.services.at(service).ports.at(port).protocol;
}

void AddDifferences(std::string_view type, const ResourceTable& former, const ResourceTable& latter,
                    xds::ChangedNames* changed) {
  const auto has_equal = [](const ResourceTable& table, const auto& entry) {
    const auto found = table.find(entry.first);
    return found != table.end() && found->second->version == entry.second->version;
  };
  for (const auto& entry : former) {
    if (!has_equal(latter, entry)) (*changed)[std::string(type)].insert(entry.first);
  }
  for (const auto& entry : latter) {
    if (!has_equal(former, entry)) (*changed)[std::string(type)].insert(entry.first);
  }
}

std::shared_ptr<const Resource> Named(const ResourceTable& table, std::string_view name) {
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

}  // namespace

std::string Member::Cluster() const {
  return MemberCluster(discovery::HostOf(service), service_port, name);
}

std::string Member::BytesCluster() const {
  return MemberCluster(discovery::HostOf(service), service_port, std::string(kBytes) + name);
}

std::optional<Member> FindMember(const MeshView& view, std::string_view name) {
  const size_t mark = name.rfind('_');
  if (mark == std::string_view::npos) return std::nullopt;
  const auto ids = view.mesh.workloads_at.find(std::string(name.substr(0, mark)));
  if (ids == view.mesh.workloads_at.end()) return std::nullopt;
  uint32_t port = 0;
  const char* const end = name.data() + name.size();
  if (std::from_chars(name.data() + mark + 1, end, port).ptr != end) return std::nullopt;
  for (const std::string& id : ids->second) {
    const discovery::Workload& workload = view.mesh.workloads.at(id);
    if (!workload.is_meshed) continue;
    std::optional<Member> member;
    ForEachServed(workload, [&](const discovery::ServiceName& service, uint32_t service_port,
                                uint32_t dialled, policy::Protocol, bool is_skipped) {
      if (member || dialled != port || is_skipped) return;
      member = Member{std::string(name), &workload,    port,
                      service,           service_port, ProtocolOf(view, service, service_port)};
    });
    if (member) return member;
  }
  return std::nullopt;
}

const Snapshot* Members::Of(const MeshView& view, std::string_view name) {
  const auto known = used_.find(name);
  if (known != used_.end()) return &known->second;
  const auto member = FindMember(view, name);
  if (!member) return nullptr;
  names_[member->service].insert(member->name);
  return &used_.emplace(member->name, MakeMember(view, *member)).first->second;
}

std::shared_ptr<const Resource> Members::FindListener(const MeshView& view, std::string_view name) {
  const Snapshot* member = Of(view, name);
  return member == nullptr ? nullptr : Named(member->listeners, name);
}

std::shared_ptr<const Resource> Members::FindCluster(const MeshView& view, std::string_view name) {
  const std::string_view of = MemberOfCluster(name);
  const Snapshot* member = of.empty() ? nullptr : Of(view, of);
  return member == nullptr ? nullptr : Named(member->clusters, name);
}

void Members::Update(const MeshView& view, const discovery::ServiceName& service,
                     xds::ChangedNames* changed) {
  const auto names = names_.find(service);
  if (names == names_.end()) return;
  for (const std::string& name : std::exchange(names->second, {})) {
    const auto former = used_.extract(name);
    const Snapshot* latter = Of(view, name);
    static const Snapshot kNone;
    const Snapshot& now = latter == nullptr ? kNone : *latter;
    AddDifferences(kListenerType, former.mapped().listeners, now.listeners, changed);
    AddDifferences(kClusterType, former.mapped().clusters, now.clusters, changed);
  }
  if (names->second.empty()) names_.erase(names);
}

}  // namespace tulle::snapshot
