// All policies of a mesh, with one owner for each target. A set is immutable in use: a change makes
// a new one. Owner: the mesh version that was built from it. Thread: any (const). Order: copy,
// Upsert/Erase the change, FindConflicts(); only a set without conflicts is stored.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "control-plane/policy/model.h"
#include "control-plane/policy/problem.h"

namespace tulle::policy {

class PolicySet {
 public:
  void Upsert(Document document);
  bool Erase(const DocumentKey& key);
  const Document* Find(const DocumentKey& key) const;

  // Ordered by kind, namespace and name.
  const std::map<DocumentKey, std::shared_ptr<const Document>>& documents() const {
    return documents_;
  }

  // Two documents that claim the same target, one problem for each pair. Problems are placed at the
  // documents named in `incoming` (those of the file being applied), so that the line is the
  // writer's own.
  Problems FindConflicts(const std::vector<Document>& incoming, std::string_view file) const;

  // What holds for one target. Pointers live as long as this set.
  const HttpRoute* RouteOf(const ServiceName& service, uint32_t port) const;
  const ResiliencePolicy* ResilienceOf(const ServiceName& service) const;
  // The most specific wins: service, namespace, mesh; with none: permissive.
  MtlsMode MtlsModeOf(const ServiceName& service) const;
  // Whether the service's workloads may call addresses that are no service's; with no
  // policy: yes.
  bool MayCallUnknown(const ServiceName& service) const;
  // Those bound to the service and to its namespace, in order of their keys.
  std::vector<const Document*> AuthorizationsOf(const ServiceName& service) const;
  std::vector<const Document*> ExternalServices() const;
  // The most specific wins, as a whole; null: none.
  const TelemetryPolicy* TelemetryOf(const ServiceName& service) const;

 private:
  template <typename Visit>
  void ForEach(Kind kind, Visit visit) const;
  template <typename Policy>
  const Policy* MostSpecific(Kind kind, const ServiceName& service) const;

  std::map<DocumentKey, std::shared_ptr<const Document>> documents_;
};

}  // namespace tulle::policy
