// Changes of headers that a filter of a route asks for, in the fields that Envoy's Route and
// ClusterWeight have alike. Pure; any thread.
#pragma once

#include <string>

#include "control-plane/policy/model.h"
#include "envoy/config/core/v3/base.pb.h"

namespace tulle::snapshot {

// Envoy reads a value as a format, where %% stands for one %.
inline std::string AsFormat(const std::string& literal) {
  std::string format;
  for (const char c : literal) format += c == '%' ? "%%" : std::string(1, c);
  return format;
}

// `options`: a repeated HeaderValueOption.
template <typename Options>
void AddHeaders(const policy::HeaderModifier& modifier, Options* options) {
  using envoy::config::core::v3::HeaderValueOption;
  const auto add = [&](const policy::HeaderValue& header,
                       HeaderValueOption::HeaderAppendAction action) {
    HeaderValueOption* option = options->Add();
    option->mutable_header()->set_key(header.name);
    option->mutable_header()->set_value(AsFormat(header.value));
    option->set_append_action(action);
    if (header.value.empty()) option->set_keep_empty_value(true);
  };
  for (const auto& header : modifier.set)
    add(header, HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
  for (const auto& header : modifier.add) add(header, HeaderValueOption::APPEND_IF_EXISTS_OR_ADD);
}

template <typename Message>
void SetHeaders(const policy::HeaderModifier& request, const policy::HeaderModifier& response,
                Message* message) {
  AddHeaders(request, message->mutable_request_headers_to_add());
  AddHeaders(response, message->mutable_response_headers_to_add());
  for (const auto& name : request.remove) message->add_request_headers_to_remove(name);
  for (const auto& name : response.remove) message->add_response_headers_to_remove(name);
}

}  // namespace tulle::snapshot
