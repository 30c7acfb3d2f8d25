#pragma once

namespace tulle {

// What a Loop can delete later (Loop::DeferDelete): anything whose methods may be on the stack when
// its owner lets it go.
class Deletable {
 public:
  virtual ~Deletable() = default;
};

}  // namespace tulle
