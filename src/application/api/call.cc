// One authenticated request.
#include "application/api/call.h"

#include <algorithm>

#include "application/api/page.h"
#include "application/api/route.h"
#include "application/http/problem.h"
#include "application/http/write.h"
#include "base/check.h"

namespace bessemer::api {

const factory::State& Call::state() const { return services_.engine.state(); }

Context Call::context() const {
  Context context;
  context.now = now_;
  context.occurred_at = now_;
  context.actor = caller_.principal;
  context.key = caller_.key;
  context.origin = Origin::external;
  return context;
}

const std::string& Call::part(std::string_view name) const {
  const auto found = parts_.find(name);
  check(found != parts_.end(), "the route's pattern has no such part");
  return found->second;
}

std::optional<std::string_view> Call::query(std::string_view name) const {
  bool declared = false;
  for (const Parameter& parameter : route_.query) declared = declared || parameter.name == name;
  check(declared, "the route declares no such query parameter");
  const auto found = query_.find(name);
  if (found == query_.end()) return std::nullopt;
  return found->second;
}

Error Call::unreadable(Error error) const {
  if (error.remedy.empty()) {
    error.remedy = "see " + std::string(route_.operation) + " in /api/v1/openapi.json";
  }
  return error;
}

Result<OrgId> Call::org(std::string_view path) const {
  const auto unknown = [&] {
    return not_found("no organisation node '" + std::string(path) + "'");
  };
  auto found = tenant::resolve(state().tenant, path);
  if (!found && found.error().code == Code::not_found) return unknown();
  if (!found) return found;
  // A node that the caller may not know of is told as one that does not exist.
  const auto path_to = tenant::ancestors(state().tenant, *found);
  const auto decision = access::decide(state().access, caller_, path_to, access::Resource::org,
                                       access::Action::read, now_);
  if (decision.verdict == access::Verdict::not_found) {
    about_ = *found;
    return unknown();
  }
  return found;
}

Result<void> Call::permit(OrgId node) {
  TRY(permit(node, route_.resource, route_.action));
  permitted_ = true;
  return {};
}

Result<void> Call::still_good() {
  now_ = std::max(now_, services_.clock.now());
  return access::still_good(state().access, caller_, now_);
}

Result<void> Call::permit(OrgId node, access::Resource resource, access::Action action) {
  about_ = node;
  const auto path = tenant::ancestors(state().tenant, node);
  if (path.empty()) return not_found("no such thing");
  TRY(access::authorize(state().access, caller_, path, resource, action, now_));
  asked_.push_back({node, resource, action});
  return {};
}

bool Call::may(OrgId node, access::Resource resource, access::Action action) const {
  const auto path = tenant::ancestors(state().tenant, node);
  return !path.empty() && access::decide(state().access, caller_, path, resource, action, now_)
                                  .verdict == access::Verdict::allowed;
}

Result<engine::Written> Call::submit(const factory::Command& command) {
  check(permitted_, "a handler wrote without asking permission");
  factory::IdempotencyNote note;
  if (!idempotency_key_.empty() && !noted_) {
    note.principal = caller_.principal;
    note.key = idempotency_key_;
    note.body = body_digest_;
    note.location = location_;
    note.asked = asked_;
    note.status = static_cast<std::uint32_t>(route_.success);
  }
  TRY_ASSIGN(auto written, services_.engine.submit(command, context(), note));
  noted_ = noted_ || !note.key.empty();
  written_ = std::max(written_, written.last);
  return written;
}

void Call::answer(const server::Responder& responder, Result<Reply> reply) {
  server::Answer answer;
  if (reply) {
    answer.status = reply->status;
    answer.body = std::move(reply->body);
    answer.fields = std::move(reply->fields);
    if (written_ != 0) http::append_field(answer.fields, "bessemer-seq", written_);
  } else {
    auto refusal = http::refuse(reply.error(), http::Envelope::problem);
    answer.status = refusal.status;
    answer.content_type = refusal.content_type;
    answer.body = std::move(refusal.body);
    answer.fields = std::move(refusal.fields);
  }
  engine::Engine& engine = services_.engine;
  engine.when_durable(engine.applied(), [responder, answer = std::move(answer)]() mutable {
    responder.answer(std::move(answer));
  });
}

Result<std::size_t> page_limit(const Call& call) {
  const auto text = call.query("limit");
  if (!text) return std::size_t{100};
  const auto limit = parse_unsigned(*text);
  if (!limit || *limit == 0 || *limit > limits::page) {
    return invalid("must be a whole number from 1 to 500").at("limit");
  }
  return static_cast<std::size_t>(*limit);
}

}  // namespace bessemer::api
