#include "xds/client/delta_client.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace tulle::xds {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;

constexpr int kInvalidArgument = 3;
// Limit of the error text of a NACK.
constexpr size_t kMostErrorText = 4096;

// Equal requests give equal bytes, whatever the order of the map of versions in memory.
std::string Serialized(const DeltaDiscoveryRequest& request) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream output(&stream);
    output.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&output);
  }
  return bytes;
}

// Checks the form of a response; malformed resources are rejected one by one.
Update ToUpdate(const DeltaDiscoveryResponse& response, std::vector<Rejection>* rejections) {
  Update update;
  update.type_url = response.type_url();
  update.removed.assign(response.removed_resources().begin(), response.removed_resources().end());
  std::map<std::string, int> seen;
  for (const auto& resource : response.resources()) ++seen[resource.name()];
  for (const auto& resource : response.resources()) {
    if (resource.name().empty()) {
      rejections->push_back({"(unnamed)", "the resource has no name; set Resource.name"});
    } else if (seen[resource.name()] > 1) {
      rejections->push_back(
          {resource.name(), "duplicate name in one response; send each resource once"});
    } else if (!resource.has_resource()) {
      // A TTL heartbeat: nothing changes.
    } else if (resource.resource().type_url() != response.type_url()) {
      rejections->push_back(
          {resource.name(), absl::StrCat("is a ", resource.resource().type_url(),
                                         " in a response of ", response.type_url())});
    } else {
      update.resources.push_back(
          {resource.name(), resource.version(), resource.resource().value()});
    }
  }
  return update;
}

// Length of the UTF-8 character at the front; 0: invalid (RFC 3629 4).
size_t LengthOfCharacter(std::string_view text) {
  const auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  const size_t length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (length == 0 || at(1) < low || at(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (at(i) < 0x80 || at(i) > 0xbf) return 0;
  }
  return length;
}

// Valid UTF-8, as a protocol buffer's string requires: errors quote what was received, and may be
// cut within a character.
std::string ErrorText(std::string_view text) {
  text = text.substr(0, kMostErrorText);
  std::string out;
  while (!text.empty()) {
    const size_t length = LengthOfCharacter(text);
    length == 0 ? out.append("?") : out.append(text.substr(0, length));
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return out;
}

}  // namespace

DeltaClient::Type& DeltaClient::TypeOf(std::string_view url) {
  for (Type& type : types_) {
    if (type.url == url) return type;
  }
  types_.emplace_back();
  types_.back().url = std::string(url);
  return types_.back();
}

const std::map<std::string, std::string>& DeltaClient::versions(std::string_view type_url) const {
  static const std::map<std::string, std::string> kNone;
  for (const Type& type : types_) {
    if (type.url == type_url) return type.versions;
  }
  return kNone;
}

void DeltaClient::SubscribeToAll(std::string_view type_url) {
  Type& type = TypeOf(type_url);
  type.wildcard = true;
  SendChanges(type);
}

void DeltaClient::Subscribe(std::string_view type_url, const std::set<std::string>& names) {
  Type& type = TypeOf(type_url);
  for (const std::string& name : type.wanted) {
    if (!names.contains(name)) type.versions.erase(name);
  }
  // Versions from an earlier run too, although nothing was subscribed to since.
  if (!type.wildcard) {
    std::erase_if(type.versions, [&](const auto& held) { return !names.contains(held.first); });
  }
  if (type.wanted == names) return;
  type.wanted = names;
  SendChanges(type);
}

void DeltaClient::Remember(std::string_view type_url, const std::string& name,
                           const std::string& version) {
  TypeOf(type_url).versions[name] = version;
}

void DeltaClient::OnStreamOpened() {
  open_ = true;
  node_sent_ = false;
  outgoing_.clear();
  for (Type& type : types_) {
    type.spoken = false;
    type.subscribed.clear();
    SendChanges(type);
  }
}

void DeltaClient::OnStreamClosed() {
  open_ = false;
  outgoing_.clear();
}

// The first request of a type lists the versions that are held; later ones only changes.
void DeltaClient::SendChanges(Type& type) {
  if (!open_) return;
  DeltaDiscoveryRequest request;
  request.set_type_url(type.url);
  if (!type.spoken) {
    if (type.wildcard && !type.wanted.empty())
      request.add_resource_names_subscribe(std::string(1, '*'));
    for (const auto& [name, version] : type.versions)
      (*request.mutable_initial_resource_versions())[name] = version;
    if (!type.wildcard && type.wanted.empty()) return;  // nothing to ask for yet
  }
  for (const std::string& name : type.wanted) {
    if (!type.subscribed.contains(name)) request.add_resource_names_subscribe(name);
  }
  for (const std::string& name : type.subscribed) {
    if (!type.wanted.contains(name)) request.add_resource_names_unsubscribe(name);
  }
  const bool changed =
      request.resource_names_subscribe_size() + request.resource_names_unsubscribe_size() > 0;
  if (type.spoken && !changed) return;
  type.spoken = true;
  type.subscribed = type.wanted;
  if (!node_sent_) request.mutable_node()->ParseFromString(node_);
  node_sent_ = true;
  outgoing_.push_back({Serialized(request)});
}

bool DeltaClient::OnMessage(std::string_view bytes) {
  DeltaDiscoveryResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
  const std::string url = response.type_url();
  if (std::none_of(types_.begin(), types_.end(),
                   [&](const Type& type) { return type.url == url; })) {
    Type unknown;
    unknown.url = url;
    Acknowledge(unknown, response.nonce(), {{"(response)", "unknown type: never subscribed to"}},
                url);
    return true;
  }
  std::vector<Rejection> rejections;
  if (response.nonce().empty()) {
    Acknowledge(TypeOf(url), "", {{"(response)", "the nonce is missing; the response was ignored"}},
                "no nonce");
    return true;
  }
  const Update update = ToUpdate(response, &rejections);
  for (Rejection& rejection : target_.OnUpdate(update)) rejections.push_back(std::move(rejection));
  Type& type = TypeOf(url);  // the target may have subscribed to new types
  std::string what;
  for (const ReceivedResource& resource : update.resources) {
    const bool rejected =
        std::any_of(rejections.begin(), rejections.end(),
                    [&](const Rejection& one) { return one.name == resource.name; });
    if (rejected) {
      absl::StrAppend(&what, resource.name, "@", resource.version, " ");
    } else if (type.wildcard || type.wanted.contains(resource.name)) {
      type.versions[resource.name] = resource.version;
    }
  }
  for (const std::string& name : update.removed) type.versions.erase(name);
  Acknowledge(type, response.nonce(), rejections, what);
  return true;
}

void DeltaClient::Acknowledge(Type& type, const std::string& nonce,
                              const std::vector<Rejection>& rejections, const std::string& what) {
  DeltaDiscoveryRequest request;
  request.set_type_url(type.url);
  request.set_response_nonce(nonce);
  loop::Duration delay{0};
  if (rejections.empty()) {
    type.rejected.clear();
    type.repeated_rejections = 0;
  } else {
    std::string text;
    for (const Rejection& rejection : rejections)
      absl::StrAppend(&text, rejection.name, ": ", rejection.error, "\n");
    request.mutable_error_detail()->set_code(kInvalidArgument);
    request.mutable_error_detail()->set_message(ErrorText(text));
    type.repeated_rejections = what == type.rejected ? type.repeated_rejections + 1 : 0;
    type.rejected = what;
    const int doublings = std::min(type.repeated_rejections, 6);
    if (doublings > 0) delay = std::chrono::milliseconds(500) * (1 << doublings);
  }
  outgoing_.push_back({Serialized(request), delay});
}

std::vector<DeltaClient::Outgoing> DeltaClient::TakeOutgoing() {
  return std::exchange(outgoing_, {});
}

}  // namespace tulle::xds
