#include "control-plane/snapshot/wire.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/sha.h>

namespace tulle::snapshot {
namespace {

std::string VersionOf(const std::string& bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(), digest);
  std::string version;
  for (size_t i = 0; i < 8; ++i) {
    version += kHex[digest[i] >> 4];
    version += kHex[digest[i] & 15];
  }
  return version;
}

}  // namespace

std::string SerializeDeterministically(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  output.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&output);
  output.Trim();
  return bytes;
}

void Pack(const google::protobuf::Message& message, google::protobuf::Any* any) {
  any->set_type_url("type.googleapis.com/" + message.GetDescriptor()->full_name());
  any->set_value(SerializeDeterministically(message));
}

void AddResource(const std::string& name, const google::protobuf::Message& message,
                 ResourceTable* table, bool by_name_only) {
  auto resource = std::make_shared<Resource>();
  resource->bytes = SerializeDeterministically(message);
  resource->version = VersionOf(resource->bytes);
  resource->by_name_only = by_name_only;
  (*table)[name] = std::move(resource);
}

void SetDuration(std::chrono::milliseconds value, google::protobuf::Duration* duration) {
  duration->set_seconds(value.count() / 1000);
  duration->set_nanos(static_cast<int32_t>(value.count() % 1000) * 1000000);
}

void SetAddress(const std::string& address, uint32_t port,
                envoy::config::core::v3::Address* message) {
  message->mutable_socket_address()->set_address(address);
  message->mutable_socket_address()->set_port_value(port);
}

void SetAds(envoy::config::core::v3::ConfigSource* source) {
  source->mutable_ads();
  source->set_resource_api_version(envoy::config::core::v3::V3);
}

}  // namespace tulle::snapshot
