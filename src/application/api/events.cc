// Hands each durable fact to those who watch.
#include "application/api/events.h"

namespace bessemer::api {

EventHub::EventHub(engine::Engine& engine) {
  engine.watch([this, &engine](const factory::Fact& fact) {
    if (listeners_.empty()) return;
    const OrgId subject = factory::subject_of(engine.state(), fact.event);
    engine.when_durable(fact.sequence, [this, fact, subject] { tell(fact, subject); });
  });
}

void EventHub::tell(const factory::Fact& fact, OrgId subject) {
  std::erase_if(listeners_, [&](const Listener& listener) { return !listener(fact, subject); });
}

}  // namespace bessemer::api
