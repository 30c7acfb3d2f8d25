// /v1/apply, /v1/delete and /v1/policies; /v1/history and /v1/rollback. For this package only.
// Owner: the Api; the parts outlive it. Thread: the Api's.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "control-plane/api/route.h"
#include "control-plane/discovery/policy_book.h"

namespace tulle::api {

class PolicyResource {
 public:
  PolicyResource(discovery::PolicyBook* policies, const ControlPlaneView* view,
                 std::function<void()> on_change)
      : policies_(policies), view_(view), on_change_(std::move(on_change)) {}

  Routes routes();

 private:
  ApiResponse Apply(const Call& call);
  // To delete what belongs to a Kubernetes cluster. Nullopt: nothing does.
  std::optional<ApiResponse> RefuseThoseOfCluster(
      const std::vector<policy::DocumentKey>& keys) const;
  ApiResponse List(const Call& call);
  ApiResponse Get(const Call& call);
  ApiResponse Delete(const Call& call);
  ApiResponse DeleteAll(const Call& call);

  discovery::PolicyBook* policies_;
  const ControlPlaneView* view_;
  std::function<void()> on_change_;
};

class HistoryResource {
 public:
  HistoryResource(discovery::PolicyBook* policies, const ControlPlaneView* view,
                  std::function<void()> on_change)
      : policies_(policies), view_(view), on_change_(std::move(on_change)) {}

  Routes routes();

 private:
  ApiResponse All(const Call& call);
  ApiResponse HistoryOfOne(const Call& call);
  ApiResponse RollBack(const Call& call);
  static bool ReadEarlier(const Call& call, discovery::PolicyBook::Earlier* to,
                          ApiResponse* refusal);

  discovery::PolicyBook* policies_;
  const ControlPlaneView* view_;
  std::function<void()> on_change_;
};

}  // namespace tulle::api
