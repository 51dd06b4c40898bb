// Dispatch of the API: from a request to a reply that waits until it is durable.
#include "application/api/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "application/api/task_session.h"
#include "application/http/write.h"
#include "base/check.h"
#include "base/limits.h"
#include "base/text.h"
#include "governance/access/key.h"

namespace bessemer::api {
namespace {

constexpr std::size_t max_idempotency_key = 255;

using Named = std::map<std::string, std::string, std::less<>>;

// The parts of each route's pattern, by its place in routes(): split once.
const std::vector<std::vector<std::string_view>>& patterns() {
  static const auto all = [] {
    std::vector<std::vector<std::string_view>> made;
    for (const Route& route : routes()) made.push_back(split(route.pattern.substr(1), '/'));
    return made;
  }();
  return all;
}

bool matches(const std::vector<std::string_view>& pattern, const std::vector<std::string>& parts) {
  return std::ranges::equal(pattern, parts, [](std::string_view piece, const std::string& part) {
    return piece.starts_with('{') || piece == part;
  });
}

// The route of a method and path, with its named parts; `allowed` gathers the methods that the path
// does take.
const Route* find_route(http::Method method, const std::vector<std::string>& parts, Named& named,
                        std::string& allowed) {
  for (std::size_t i = 0; i < patterns().size(); ++i) {
    const auto& pattern = patterns()[i];
    if (!matches(pattern, parts)) continue;
    const Route& route = routes()[i];
    if (route.method != method) {
      if (!allowed.empty()) allowed += ", ";
      allowed += http::to_text(route.method);
      continue;
    }
    for (std::size_t at = 0; at < pattern.size(); ++at) {
      if (pattern[at].starts_with('{')) {
        named.emplace(pattern[at].substr(1, pattern[at].size() - 2), parts[at]);
      }
    }
    return &route;
  }
  return nullptr;
}

// Where a request came from.
std::string address_of(const real::Peer& peer) {
  const bool here = peer.local || peer.address.is_loopback();
  return here ? "local" : real::to_text(peer.address);
}

Result<void> check_query(const Route& route, const http::Query& query) {
  for (const auto& [name, value] : query.all()) {
    bool known = false;
    for (const Parameter& parameter : route.query) known = known || parameter.name == name;
    if (known) continue;
    std::vector<std::string> takes;
    for (const Parameter& parameter : route.query) takes.emplace_back(parameter.name);
    return invalid("is not a known query parameter").at(name).fix(
        takes.empty() ? "this path takes none" : "this path takes " + join(takes, ", "));
  }
  return {};
}

}  // namespace

Api::Api(const Services& services) : services_(services), counts_(routes().size()) {
  services_.counts = &counts_;
  sessions_ = std::make_unique<TaskSessions>(services_);
  services_.sessions = sessions_.get();
}
Api::~Api() = default;

server::BodyPlan Api::on_head(const http::RequestHead& head, const server::Upload&) {
  server::BodyPlan plan;
  const auto parts = http::decode_path(head.path);
  Named named;
  std::string allowed;
  if (!parts) return plan;  // refused when the request is complete
  if (const Route* route = find_route(head.method, *parts, named, allowed)) {
    plan.max_bytes = route->max_body;
  }
  return plan;
}

Result<access::Caller> Api::authenticate(const server::Request& request) {
  const auto fail = [&](Error error) -> Error {
    if (const auto former = attempts_.count(services_.clock.now(), error.reason,
                                              address_of(request.peer))) {
      record(*former);
    }
    return error;
  };
  const auto field = request.head.fields.find("authorization");
  if (!field || field->size() < 8 || !http::equal_ignoring_case(field->substr(0, 7), "bearer ")) {
    return fail(unauthenticated("no API key was given")
                    .fix("send it as 'Authorization: Bearer bsm_...'")
                    .because("key_missing"));
  }
  const auto hash = access::hash_key(field->substr(7));
  if (!hash) return fail(hash.error());
  auto caller = access::authenticate(services_.engine.state().access, *hash,
                                     services_.clock.now());
  if (!caller) return fail(std::move(caller).error());
  return caller;
}

// A repeated Idempotency-Key is answered as the first time: nothing is done again. Who may not do
// what it asked for any more is refused.
Result<std::optional<Reply>> Api::repeated(Call& call) {
  if (call.idempotency_key_.empty()) return std::optional<Reply>{};
  const auto* before = factory::find_note(services_.engine.state(), call.caller_.principal,
                                          call.idempotency_key_, call.now_);
  if (before == nullptr) return std::optional<Reply>{};
  if (before->body != call.body_digest_) {
    return conflict("this Idempotency-Key was used with another request")
        .at("Idempotency-Key")
        .because("idempotency_key_used")
        .fix("use a fresh key for another request; keys are remembered for a day");
  }
  for (const factory::Permission& asked : before->asked) {
    TRY(call.permit(asked.node, asked.resource, asked.action));
  }
  Reply reply;
  if (before->answer) {
    reply.body = *before->answer;
  } else {
    TRY_ASSIGN(reply, made_again(call, *before));
  }
  reply.status = static_cast<int>(before->status);
  if (!before->location.empty()) http::append_field(reply.fields, "location", before->location);
  http::append_field(reply.fields, "idempotent-replayed", "true");
  return reply;
}

// An answer that was not kept, as the thing that was made is now.
Result<Reply> Api::made_again(const Call& call, const factory::Noted& before) {
  if (call.route_.repeat == Route::Repeat::refused) {
    return conflict("this was done by the first request, whose answer is shown only once")
        .at("Idempotency-Key")
        .because("shown_once")
        .fix("see " + before.location + "; if the answer is lost, revoke it and make another");
  }
  if (before.location.empty()) {
    return conflict("this was done by the first request, whose answer is no longer kept")
        .at("Idempotency-Key")
        .because("done_before")
        .fix("read the thing that it changed");
  }
  TRY_ASSIGN(const auto parts, http::decode_path(before.location));
  std::string allowed;
  Named named;
  const Route* route = find_route(http::Method::get, parts, named, allowed);
  check(route != nullptr, "a made thing has no route to read it");
  Call again(services_, *route, call.caller_, call.now_);
  again.parts_ = std::move(named);
  return route->handle(again);
}

Result<Reply> Api::run(Call& call) {
  TRY_ASSIGN(auto former, repeated(call));
  if (former) return *std::move(former);
  TRY_ASSIGN(Reply reply, call.route_.handle(call));
  check(call.permitted_ || call.route_.entry == Entry::anyone, "a handler did not ask permission");
  reply.status = call.route_.success;
  if (!call.location_.empty()) http::append_field(reply.fields, "location", call.location_);
  if (call.noted_ && call.route_.repeat == Route::Repeat::kept) keep_answer(call, reply.body);
  return reply;
}

// Beside what was done, before anything is answered: whoever has seen the answer gets the same
// again. After a kill between the two nobody has seen it, and it is made again.
void Api::keep_answer(const Call& call, const std::string& body) {
  factory::KeepAnswer keep{call.caller_.principal, call.idempotency_key_, body};
  (void)services_.engine.submit(factory::OwnCommand(std::move(keep)), call.context()).has_value();
}

// Authenticated refusals of access and money are facts, as far as they are about something: what
// was made up is nobody's.
void Api::remember_refusal(const Call& call, const Error& error) {
  const bool access = error.code == Code::forbidden ||
                      (error.code == Code::not_found && call.about_);
  const bool money = error.code == Code::exhausted && !error.reason.empty();
  if (!money && !(access && !call.permitted_)) return;
  audit::RecordRefusal refusal;
  refusal.resource = enum_text(call.route_.resource);
  refusal.action = enum_text(call.route_.action);
  refusal.target = call.route_.operation;
  refusal.node = call.about_;
  refusal.from = call.from_;
  refusal.reason = error.reason.empty() ? std::string(to_text(error.code)) : error.reason;
  refusal.what = error.what;
  refusal.remedy = error.remedy;
  record(refusals_.count(call.now_, {call.caller_.principal, call.caller_.key, std::move(refusal)},
                         call.route_.operation));
}

Result<std::optional<Reply>> Api::serve(const server::Request& request,
                                        const server::Responder& responder, const Route*& route,
                                        engine::Sequence& written) {
  TRY_ASSIGN(const auto parts, http::decode_path(request.head.path));
  std::string allowed;
  Named named;
  const Route* const found = find_route(request.head.method, parts, named, allowed);
  access::Caller caller;
  if (found == nullptr || found->entry != Entry::anyone) {
    TRY_ASSIGN(caller, authenticate(request));
  }
  if (found == nullptr && allowed.empty()) {
    return not_found("no such path").fix("see /api/v1/openapi.json");
  }
  if (found == nullptr) return invalid("this path takes " + allowed)
                                  .because("method")
                                  .fix("see /api/v1/openapi.json");
  route = found;
  TRY_ASSIGN(const http::Query query, http::Query::decode(request.head.query));
  TRY(check_query(*route, query));
  const auto shared = std::make_shared<Call>(services_, *route, caller, services_.clock.now());
  Call& call = *shared;
  call.parts_ = std::move(named);
  if (const auto upgrade = request.head.fields.find("upgrade")) call.upgrade_ = *upgrade;
  for (const auto& [name, value] : query.all()) call.query_.emplace(name, value);
  call.body_ = request.body;
  call.from_ = audit::network_of(address_of(request.peer));
  if (const auto key = request.head.fields.find("idempotency-key");
      key && route->method != http::Method::get && route->handle != nullptr &&
      route->resource != access::Resource::secret) {  // no digest of a secret becomes a fact
    if (key->empty() || key->size() > max_idempotency_key) {
      return invalid("must have 1 to 255 characters").at("Idempotency-Key");
    }
    call.idempotency_key_ = *key;
    call.body_digest_ = sha256(std::string(route->operation) + "\n" +
                               std::string(request.head.target) + "\n" +
                               std::string(request.body));
  }
  if (route->stream != nullptr) {
    const auto begun = route->stream(shared, responder);
    if (begun) return std::optional<Reply>();
    remember_refusal(call, begun.error());
    return begun.error();
  }
  auto reply = run(call);
  written = call.written();
  if (reply) return std::optional<Reply>(*std::move(reply));
  remember_refusal(call, reply.error());
  return std::move(reply).error();
}

void Api::on_request(server::Request& request, server::Responder responder) {
  const Route* route = nullptr;
  engine::Sequence written = 0;
  auto served = serve(request, responder, route, written);
  if (route != nullptr) {
    RouteCount& count = counts_[static_cast<std::size_t>(route - routes().data())];
    ++(served ? count.answered : count.refused);
  }
  server::Answer answer;
  if (served && !*served) return;
  if (served) {
    Reply& reply = **served;
    answer.status = reply.status;
    answer.body = std::move(reply.body);
    answer.fields = std::move(reply.fields);
    if (written != 0) http::append_field(answer.fields, "bessemer-seq", written);
  } else {
    const bool method = served.error().reason == "method";
    auto refusal = http::refuse(served.error(), http::Envelope::problem, {}, method ? 405 : 0);
    answer.status = refusal.status;
    answer.content_type = refusal.content_type;
    answer.body = std::move(refusal.body);
    answer.fields = std::move(refusal.fields);
  }
  services_.engine.when_durable(services_.engine.applied(),
                                [responder, answer = std::move(answer)]() mutable {
                                  responder.answer(std::move(answer));
                                });
}

// The factory's own note. On a full disk it is lost: nothing else may be stopped by it.
void Api::record(const audit::RecordAttempts& attempts) {
  Context context;
  context.now = context.occurred_at = services_.clock.now();
  context.origin = Origin::observed;
  (void)services_.engine.submit(audit::Command(attempts), context).has_value();
}

void Api::record(const std::vector<audit::Told>& refusals) {
  for (const audit::Told& one : refusals) {
    Context context;
    context.now = context.occurred_at = services_.clock.now();
    context.actor = one.actor;
    context.key = one.key;
    context.origin = Origin::external;
    (void)services_.engine.submit(audit::Command(one.refusal), context).has_value();
  }
}

void Api::tick() {
  sessions_->tick();
  record(refusals_.due(services_.clock.now()));
  if (const auto minute = attempts_.due(services_.clock.now())) record(*minute);
}

}  // namespace bessemer::api
