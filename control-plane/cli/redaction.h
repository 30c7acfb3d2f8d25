// Takes out of what is passed on to others whatever is or may be a secret. Rather too much than
// too little: names and structure stay, values go. Pure.
#pragma once

#include <string>
#include <vector>

#include "control-plane/cli/json_text.h"

namespace tulle::cli {

// Of policies, xDS resources and answers of the API: values of headers, cookies and query
// parameters, in matches and in changes; annotations, which may hold a whole object, labels and
// other metadata that anybody may write; bodies of direct responses; and what is called a password,
// token, secret, credential or private key.
Json Redacted(Json json);

// Of any text: private keys in PEM, join tokens, JSON web tokens, values of Authorization (Bearer,
// Basic, Digest and others), user and password of URLs, queries (behind ? or %3F), and each of
// `known`. In time linear in `text`.
std::string WithoutSecrets(std::string text, const std::vector<std::string>& known);

}  // namespace tulle::cli
