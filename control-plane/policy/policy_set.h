// All policies of a mesh, at most one of each kind for a target, except routes, which are merged. A
// set in use is immutable: a change makes a new one. Owner: the mesh version that was built from
// it. Thread: any (const). Order: copy, Upsert() or Erase(), FindConflicts(); only a set without
// conflicts is stored.
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
  void Upsert(std::shared_ptr<const Document> document);
  bool Erase(const DocumentKey& key);
  const Document* Find(const DocumentKey& key) const;

  // Ordered by kind, namespace and name.
  const std::map<DocumentKey, std::shared_ptr<const Document>>& documents() const {
    return documents_;
  }

  // Pairs of documents with the same target or host name, one problem for each. Problems are
  // located at the documents in `incoming` (those of the file that is applied), in the lines of the
  // user's file.
  Problems FindConflicts(const std::vector<Document>& incoming, std::string_view file) const;

  // In order of their keys. Pointers live as long as this set. Which policies apply to a service is
  // found by a PolicyIndex.
  std::vector<const Document*> ExternalServices() const;

 private:
  std::map<DocumentKey, std::shared_ptr<const Document>> documents_;
};

}  // namespace tulle::policy
