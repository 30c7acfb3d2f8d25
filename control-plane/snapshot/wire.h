// Small pieces of Envoy's messages that every part of a snapshot needs. Pure; any thread.
#pragma once

#include <google/protobuf/any.pb.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/message.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "control-plane/snapshot/snapshot.h"
#include "envoy/config/core/v3/base.pb.h"

namespace tulle::snapshot {

// Maps in key order: the default serialisation follows hash seeds.
std::string SerializeDeterministically(const google::protobuf::Message& message);
void Pack(const google::protobuf::Message& message, google::protobuf::Any* any);
void AddResource(const std::string& name, const google::protobuf::Message& message,
                 ResourceTable* table, bool by_name_only = false);

void SetDuration(std::chrono::milliseconds value, google::protobuf::Duration* duration);
void SetAddress(const std::string& address, uint32_t port,
                envoy::config::core::v3::Address* message);
// "ads": the stream that this configuration came by.
void SetAds(envoy::config::core::v3::ConfigSource* source);

}  // namespace tulle::snapshot
