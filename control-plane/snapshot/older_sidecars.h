// Sidecars of an earlier version: generated resources without the fields that these would refuse.
//
// The rule: a field that sidecars of a released version reject gets a feature in
// xds::kFieldFeatures, which newer sidecars name in Node.client_features, and a row in the table of
// older_sidecars.cc, which removes the field for sidecars that do not name it. So either side may
// be upgraded first. Other clients, such as Envoy, get all fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "envoy/config/core/v3/base.pb.h"
#include "xds/server/view.h"

namespace tulle::snapshot {

// One bit for each feature that a node lacks; 0: it understands all fields.
using LackingFeatures = uint32_t;
LackingFeatures FeaturesLackingIn(const envoy::config::core::v3::Node& node);

// Resources without fields, made once for all nodes that lack the same features. Owner: the control
// plane. Thread: one.
class OlderResources {
 public:
  std::shared_ptr<const xds::Resource> Without(
      LackingFeatures lacking, std::string_view type_url,
      const std::shared_ptr<const xds::Resource>& resource);
  size_t kept() const { return kept_.size(); }

  static constexpr size_t kMostKept = 1024;

 private:
  using Key = std::pair<LackingFeatures, std::string>;  // and the version of the whole resource
  std::map<Key, std::shared_ptr<const xds::Resource>> kept_;
};

// What such a node may see. Owner: the node's xDS session. Thread: one. `resources` outlives it.
class OlderView final : public xds::View {
 public:
  OlderView(std::shared_ptr<const xds::View> whole, LackingFeatures lacking,
            OlderResources& resources)
      : whole_(std::move(whole)), lacking_(lacking), resources_(resources) {}

  bool Serves(std::string_view type_url) const override { return whole_->Serves(type_url); }
  bool KeepsRemoved() const override { return whole_->KeepsRemoved(); }
  Found Find(std::string_view type_url, std::string_view name) const override;
  void ForEach(std::string_view type_url, const Visit& visit) const override;

 private:
  const std::shared_ptr<const xds::View> whole_;
  const LackingFeatures lacking_;
  OlderResources& resources_;
};

}  // namespace tulle::snapshot
