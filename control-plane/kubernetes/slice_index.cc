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

SliceIndex::Touched SliceIndex::Set(const ObjectKey& key, std::optional<SliceFacts> facts) {
  Touched touched;
  const auto former = slices_.find(key);
  if (former != slices_.end()) AddTouched(former->second, &touched);
  if (facts) AddTouched(*facts, &touched);
  // Those that count at an address may be others afterwards.
  AddCounted(key.ns, &touched);
  if (former != slices_.end()) {
    Remove(key, former->second);
    slices_.erase(former);
  }
  if (facts) Add(key, slices_.emplace(key, *std::move(facts)).first->second);
  AddCounted(key.ns, &touched);
  return touched;
}

void SliceIndex::AddCounted(const std::string& ns, Touched* touched) const {
  for (const std::string& address : touched->addresses) {
    for (const Mention& mention : ByHandAt(ns, address)) touched->ids.insert(mention.id);
  }
}

void SliceIndex::Add(const ObjectKey& key, const SliceFacts& facts) {
  of_[facts.service].insert(key);
  for (const auto& [id, endpoint] : facts.endpoints) {
    naming_[{key.ns, id}].insert(key);
    if (!endpoint.is_pod) by_hand_[{key.ns, endpoint.address}].insert({id, key});
  }
}

void SliceIndex::Remove(const ObjectKey& key, const SliceFacts& facts) {
  EraseFrom(&of_, facts.service, key);
  for (const auto& [id, endpoint] : facts.endpoints) {
    EraseFrom(&naming_, {key.ns, id}, key);
    if (!endpoint.is_pod) EraseFrom(&by_hand_, {key.ns, endpoint.address}, Endpoint{id, key});
  }
}

const SliceIndex::Keys& SliceIndex::Of(const ServiceName& service) const {
  return FindOrNone(of_, service);
}

std::vector<SliceIndex::Mention> SliceIndex::Naming(const std::string& ns,
                                                    const std::string& id) const {
  std::vector<Mention> mentions;
  for (const ObjectKey& key : FindOrNone(naming_, {ns, id})) {
    if (mentions.size() == kMostSlicesOfWorkload) break;
    const SliceFacts& slice = slices_.at(key);
    mentions.push_back({slice.endpoints.find(id)->first, slice});
  }
  return mentions;
}

std::vector<SliceIndex::Mention> SliceIndex::ByHandAt(const std::string& ns,
                                                      const std::string& address) const {
  std::vector<Mention> mentions;
  for (const auto& [id, key] : FindOrNone(by_hand_, {ns, address})) {
    if (mentions.size() == kMostByHandAtAddress) break;
    mentions.push_back({id, slices_.at(key)});
  }
  return mentions;
}

void SliceIndex::AddTouched(const SliceFacts& slice, Touched* touched) {
  for (const auto& [id, endpoint] : slice.endpoints) {
    touched->ids.insert(id);
    if (!endpoint.is_pod) touched->addresses.insert(endpoint.address);
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
  for (const auto& [scoped, keys] : naming_) ids.insert(scoped.second);
  return ids;
}

}  // namespace tulle::kubernetes
