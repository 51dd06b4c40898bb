// Hands each durable fact to those who watch.
#pragma once
#include <functional>
#include <vector>

#include "application/engine/engine.h"

namespace bessemer::api {

class EventHub {
 public:
  // False: forget this listener.
  using Listener = std::function<bool(const factory::Fact&, OrgId subject)>;

  // Facts are handed on once they are durable. `engine` outlives this.
  explicit EventHub(engine::Engine& engine);
  void add(Listener listener) { listeners_.push_back(std::move(listener)); }

 private:
  void tell(const factory::Fact& fact, OrgId subject);

  std::vector<Listener> listeners_;
};

}  // namespace bessemer::api
