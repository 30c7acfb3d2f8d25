// Objects in the form of a meta.k8s.io/v1 Table, which the server prints for kubectl: the metadata
// of each, and a few facts of its status. Of a Pod this is about 1 KB, a tenth of the object.
// Pure. Owner: Reflector.
#pragma once

#include <string>
#include <vector>

#include "k8s/api/json.h"

namespace tulle::k8s {

class Table {
 public:
  // The rows as objects: {"metadata": ..., "cells": {"IP": ...}, "conditions": [...]}. Only the
  // first table of a watch names its columns; the others have those of the table before.
  // Null: `json` is not a Table.
  Json Read(const Json& json);

 private:
  std::vector<std::string> columns_;
};

}  // namespace tulle::k8s
