// Collects what is wrong with one file while it is read.
// Owner: ParseDocuments (parse.h), on the stack. Thread: one. Order: EnterDocument() for each
// document, then Add() as its fields are read. Nothing is thrown: reading goes on, so that one pass
// finds every problem. At most 200 problems are kept.
#pragma once

#include <yaml-cpp/mark.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "control-plane/policy/problem.h"

namespace tulle::policy {

class Diagnosis {
 public:
  explicit Diagnosis(std::string file) : file_(std::move(file)) {}

  // `ns` is the namespace of the document that is read now: references stay within it.
  void EnterDocument(std::string_view ns) { ns_ = ns; }
  const std::string& ns() const { return ns_; }

  // `message` says what is wrong, `hint` what would be right.
  void Add(const YAML::Mark& at, std::string field, std::string message, std::string hint);
  bool is_full() const { return problems_.size() >= kMostProblems; }
  const Problems& problems() const { return problems_; }

 private:
  static constexpr size_t kMostProblems = 200;

  std::string file_;
  std::string ns_;
  Problems problems_;
};

}  // namespace tulle::policy
