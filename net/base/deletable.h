#pragma once

namespace tulle {

// An object that a Loop can delete later (Loop::DeferDelete): its methods may be on the call stack
// when its owner releases it.
class Deletable {
 public:
  virtual ~Deletable() = default;
};

}  // namespace tulle
