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

// The data of the last event, "end", when the key came to its end before the listener did.
struct EndView {
  std::string reason;  // key_expired, key_revoked, principal_disabled
  std::string detail;
  std::string remedy;
};
DESCRIBE(EndView, reason, detail, remedy)

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
  // False: nobody listens any more, or nobody may.
  bool goes_on() {
    if (ended_ || responder_.gone()) return false;
    const auto good = call_->still_good();
    if (good) return true;
    std::string event;
    http::append_event(event, "end", "", end_of(good.error()));
    (void)responder_.write(std::move(event));
    end();
    return false;
  }

  static std::string end_of(const Error& why) {
    std::string body;
    json::write(body, EndView{why.reason, why.what, why.remedy});
    return body;
  }

  void end() {
    ended_ = true;
    responder_.end();
  }

  // A fact that ends the listener's key is told to it as an end, before anything that follows.
  bool tell(const factory::Fact& fact, OrgId subject) {
    if (!goes_on()) return false;
    if (!may_see(*call_, subject)) return true;
    std::string event;
    http::append_event(event, factory::tag_of(fact.event), std::to_string(fact.sequence),
                       factory::to_json(fact));
    // A listener that does not keep up is let go.
    if (responder_.write(std::move(event)) == server::Flow::more) return true;
    end();
    return false;
  }

  void beat() {
    if (!goes_on()) return;
    std::string comment;
    http::append_comment(comment, "");
    if (responder_.write(std::move(comment)) == server::Flow::gone) return;
    // Again at the moment at which the key expires.
    Duration next = keep_alive;
    const auto* key = access::find(call_->state().access, call_->caller().key);
    if (key != nullptr && key->expires_at) next = std::min(next, *key->expires_at - call_->now());
    call_->services().loop.after(next, [self = shared_from_this()] { self->beat(); });
  }

  std::shared_ptr<Call> call_;
  server::Responder responder_;
  bool ended_ = false;
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
  table[0].answer_type = "text/event-stream";
  return table;
}

}  // namespace bessemer::api
