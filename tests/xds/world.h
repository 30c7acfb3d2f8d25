#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "xds/proto/type_urls.h"
#include "xds/server/view.h"

namespace tulle::xds {

class FakeView final : public TableView {
 public:
  const ResourceTable* TableOf(std::string_view type_url) const override {
    const auto found = tables.find(type_url);
    return found == tables.end() ? nullptr : found->second.get();
  }
  std::map<std::string, std::shared_ptr<ResourceTable>, std::less<>> tables;
};

// A mesh that is changed step by step; each view shares the tables that did not change.
class World {
 public:
  World() {
    for (const std::string_view type : kTypesInOrder)
      tables_[std::string(type)] = std::make_shared<ResourceTable>();
  }
  void Put(std::string_view type, const std::string& name, const std::string& version,
           bool by_name_only = false) {
    auto& table = Changed(type);
    auto resource = std::make_shared<Resource>();
    resource->version = version;
    resource->bytes = type == kClusterType ? EdsCluster(name, version) : name + "@" + version;
    resource->by_name_only = by_name_only;
    table[name] = resource;
  }
  void Remove(std::string_view type, const std::string& name) { Changed(type).erase(name); }
  std::shared_ptr<const View> Now() const {
    auto view = std::make_shared<FakeView>();
    view->tables = tables_;
    return view;
  }
  // Always the present, as the control plane's views are. The world outlives it.
  std::shared_ptr<const View> Live() const { return std::make_shared<LiveView>(*this); }
  const ResourceTable& Table(std::string_view type) const { return *tables_.find(type)->second; }

  static std::string EdsCluster(const std::string& name, const std::string& version) {
    envoy::config::cluster::v3::Cluster cluster;
    cluster.set_name(name);
    cluster.set_type(envoy::config::cluster::v3::Cluster::EDS);
    cluster.set_alt_stat_name(version);
    return cluster.SerializeAsString();
  }

 private:
  class LiveView final : public TableView {
   public:
    explicit LiveView(const World& world) : world_(world) {}
    const ResourceTable* TableOf(std::string_view type_url) const override {
      const auto found = world_.tables_.find(type_url);
      return found == world_.tables_.end() ? nullptr : found->second.get();
    }

   private:
    const World& world_;
  };

  ResourceTable& Changed(std::string_view type) {
    auto& table = tables_[std::string(type)];
    table = std::make_shared<ResourceTable>(*table);
    return *table;
  }
  std::map<std::string, std::shared_ptr<ResourceTable>, std::less<>> tables_;
};

}  // namespace tulle::xds
