// What changes, as it changes: facts as server-sent events, rendered for their viewer.
#include <algorithm>

#include "application/api/events.h"
#include "application/api/lookup.h"
#include "application/api/tables.h"
#include "application/http/sse.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

constexpr Duration keep_alive = seconds(15);

// True when the caller may read facts about this node.
bool may_see(const Call& call, OrgId subject) {
  return call.may(subject ? subject : tenant::root, Resource::event, Action::read);
}

class Watching : public std::enable_shared_from_this<Watching> {
 public:
  Watching(std::shared_ptr<Call> call, server::Responder responder)
      : call_(std::move(call)), responder_(std::move(responder)) {}

  void start(EventHub& hub) {
    responder_.begin(200, "text/event-stream");
    hub.add([self = shared_from_this()](const factory::Fact& fact, OrgId subject) {
      return self->tell(fact, subject);
    });
    beat();
  }

 private:
  // False: nobody listens any more.
  bool tell(const factory::Fact& fact, OrgId subject) {
    if (responder_.gone()) return false;
    if (!may_see(*call_, subject)) return true;
    std::string event;
    http::append_event(event, factory::tag_of(fact.event), std::to_string(fact.sequence),
                       factory::to_json(fact));
    // A listener that does not keep up is let go: it asks again from where it stands.
    if (responder_.write(std::move(event)) == server::Flow::more) return true;
    responder_.end();
    return false;
  }

  void beat() {
    if (responder_.gone()) return;
    std::string comment;
    http::append_comment(comment, "");
    if (responder_.write(std::move(comment)) == server::Flow::gone) return;
    call_->services().loop.after(keep_alive, [self = shared_from_this()] { self->beat(); });
  }

  std::shared_ptr<Call> call_;
  server::Responder responder_;
};

Result<void> watch_events(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  call->permit_self();  // each fact is shown or left out by itself
  std::make_shared<Watching>(call, responder)->start(call->services().events);
  return {};
}

}  // namespace

Table event_routes() {
  Table table = {
      stream_route<&watch_events>(Method::get, "/api/v1/events", "watch_events",
                                  "Facts as they become durable, as server-sent events",
                                  Resource::event, Action::read),
  };
  table[0].entry = Entry::signed_in;
  return table;
}

}  // namespace bessemer::api
