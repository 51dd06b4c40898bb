// One authenticated request, as a handler sees it.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "application/engine/engine.h"
#include "application/http/uri.h"
#include "application/server/server.h"
#include "base/json.h"
#include "governance/access/access.h"
#include "world/world.h"

namespace bessemer::api {

struct Services;
struct Route;

// An answer before it is sent.
struct Reply {
  int status = 200;
  std::string body;    // JSON
  std::string fields;  // further head fields, each with its line end
};

class Call {
 public:
  Call(Services& services, const Route& route, access::Caller caller, Instant now)
      : services_(services), route_(route), caller_(caller), now_(now) {}

  const Route& route() const { return route_; }

  Services& services() { return services_; }
  const factory::State& state() const;
  const access::Caller& caller() const { return caller_; }
  // When the request came; for a streamed answer, when it was last found to be still_good().
  Instant now() const { return now_; }
  // Nothing while the caller may go on with what he began: asked again and again by answers that
  // take long. Errors: unauthenticated, saying which end the key came to.
  Result<void> still_good();
  // The network that the request came from, for the audit log.
  const std::string& from() const { return from_; }
  // Who and when, as judge and apply are told.
  Context context() const;

  // A part of the path by its name in the pattern. Requires: the pattern has it (checked).
  const std::string& part(std::string_view name) const;
  // A query parameter; nothing when absent. Requires: declared by the route (checked).
  std::optional<std::string_view> query(std::string_view name) const;
  std::string_view body() const { return body_; }
  // Why the body cannot be read, and where it says how it must look.
  Error unreadable(Error error) const;

  // The protocol that the client wants to go on with on this connection; empty: HTTP.
  const std::string& upgrade() const { return upgrade_; }

  // An organisation node by path ("acme/vision") or id. Errors: not_found.
  Result<OrgId> org(std::string_view path) const;

  // Asks whether the caller may do what this route does, there. Every handler does this before it
  // tells or changes anything. Errors: forbidden, not_found.
  Result<void> permit(OrgId node);
  // The same for another permission than the route's own, in addition to it.
  Result<void> permit(OrgId node, access::Resource resource, access::Action action);
  // For routes about the caller himself: nothing is asked.
  void permit_self() { permitted_ = true; }
  bool permitted() const { return permitted_; }
  // True without a refusal: for leaving things out of lists.
  bool may(OrgId node, access::Resource resource, access::Action action) const;

  // A fresh id for a new thing.
  template <class I>
  I draw();

  // Where the thing that this call makes can be read: the answer to a repeated Idempotency-Key.
  void makes(std::string location) { location_ = std::move(location); }
  // Judges, appends, applies. A handler writes once: what a request makes is one batch, and the
  // note of its Idempotency-Key is in it. Requires: permitted (checked).
  Result<engine::Written> submit(const factory::Command& command);
  // Answers a streamed route in one piece, once everything applied so far is durable.
  void answer(const server::Responder& responder, Result<Reply> reply);
  // The last sequence written by this call; 0 when it wrote nothing.
  engine::Sequence written() const { return written_; }

 private:
  friend class Api;
  Services& services_;
  const Route& route_;
  access::Caller caller_;
  Instant now_;
  std::string upgrade_;
  std::map<std::string, std::string, std::less<>> parts_;
  std::map<std::string, std::string, std::less<>> query_;
  std::string_view body_;
  std::string idempotency_key_;  // empty: none was given
  bool noted_ = false;           // with what was written
  Digest body_digest_;
  std::vector<factory::Permission> asked_;  // and given
  mutable OrgId about_;                     // the node last asked about, or named and hidden
  std::string from_;
  std::string location_;
  bool permitted_ = false;
  engine::Sequence written_ = 0;
};

}  // namespace bessemer::api

#include "application/api/services.h"

namespace bessemer::api {

template <class I>
I Call::draw() {
  return world::draw_id<I>(services_.clock, services_.entropy);
}

}  // namespace bessemer::api
