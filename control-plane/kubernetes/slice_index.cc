#include "control-plane/kubernetes/slice_index.h"

namespace tulle::kubernetes {
namespace {

template <typename Table, typename Element>
void EraseFrom(Table* table, const typename Table::key_type& key, const Element& element) {
  const auto found = table->find(key);
  found->second.erase(element);
  if (found->second.empty()) table->erase(found);
}

template <typename Table>
const typename Table::mapped_type& FindOrNone(const Table& table,
                                              const typename Table::key_type& key) {
  static const typename Table::mapped_type kNone;
  const auto found = table.find(key);
  return found == table.end() ? kNone : found->second;
}

}  // namespace

SliceIndex::Ids SliceIndex::Set(const ObjectKey& key, std::optional<SliceFacts> facts) {
  Ids touched;
  if (const auto former = slices_.find(key); former != slices_.end()) {
    AddIdsOf(key, &touched);
    Remove(key, former->second);
    slices_.erase(former);
  }
  if (facts) {
    Add(key, slices_.emplace(key, *std::move(facts)).first->second);
    AddIdsOf(key, &touched);
  }
  return touched;
}

void SliceIndex::Add(const ObjectKey& key, const SliceFacts& facts) {
  of_[facts.service].insert(key);
  for (const auto& [id, endpoint] : facts.endpoints) {
    naming_[id].insert(key);
    at_[endpoint.address].insert({id, key});
  }
}

void SliceIndex::Remove(const ObjectKey& key, const SliceFacts& facts) {
  EraseFrom(&of_, facts.service, key);
  for (const auto& [id, endpoint] : facts.endpoints) {
    EraseFrom(&naming_, id, key);
    EraseFrom(&at_, endpoint.address, Mention{id, key});
  }
}

const SliceIndex::Keys& SliceIndex::Of(const ServiceName& service) const {
  return FindOrNone(of_, service);
}

const SliceIndex::Keys& SliceIndex::Naming(const std::string& id) const {
  return FindOrNone(naming_, id);
}

const std::set<SliceIndex::Mention>& SliceIndex::At(const std::string& address) const {
  return FindOrNone(at_, address);
}

void SliceIndex::AddIdsOf(const ObjectKey& slice, Ids* ids) const {
  for (const auto& [id, endpoint] : slices_.at(slice).endpoints) {
    for (const Mention& mention : At(endpoint.address)) ids->insert(mention.first);
  }
}

void SliceIndex::AddIdsWith(const std::string& id, Ids* ids) const {
  ids->insert(id);
  for (const ObjectKey& key : Naming(id)) {
    for (const Mention& mention : At(at({id, key}).address)) ids->insert(mention.first);
  }
}

SliceIndex::Ids SliceIndex::IdsOn(const std::string& node) const {
  Ids ids;
  for (const auto& [key, slice] : slices_) {
    for (const auto& [id, endpoint] : slice.endpoints) {
      if (endpoint.node == node) ids.insert(id);
    }
  }
  return ids;
}

SliceIndex::Ids SliceIndex::All() const {
  Ids ids;
  for (const auto& [id, keys] : naming_) ids.insert(id);
  return ids;
}

}  // namespace tulle::kubernetes
