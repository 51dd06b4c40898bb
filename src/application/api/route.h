// The table of routes: what is asked, who may, and what comes back.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "application/api/call.h"
#include "application/http/message.h"
#include "application/server/server.h"
#include "base/json.h"
#include "base/schema.h"

namespace bessemer::api {

// Who may call a route at all.
enum class Entry : std::uint8_t {
  anyone,      // health
  signed_in,   // about the caller himself
  authorised,  // the handler permits by resource and action
};

struct Parameter {
  std::string_view name;
  std::string_view what;  // for the OpenAPI document
};

struct Route {
  http::Method method = http::Method::get;
  std::string_view pattern;    // "/api/v1/jobs/{job}"
  std::string_view operation;  // unique: "get_job"
  std::string_view summary;
  Entry entry = Entry::authorised;
  access::Resource resource = access::Resource::org;
  access::Action action = access::Action::read;
  int success = 200;
  std::size_t max_body = limits::request_body;  // bytes
  std::vector<Parameter> query;
  std::string (*request_schema)() = nullptr;  // of a JSON body; null: none
  std::string (*answer_schema)() = nullptr;   // of a JSON answer; null: none
  std::string_view request_type, answer_type;  // of a body or answer that is not JSON
  Result<Reply> (*handle)(Call&) = nullptr;
  // What becomes of the answer to a request with an Idempotency-Key: kept for its repetition, or,
  // where it tells what must be in no fact, made again or refused.
  enum class Repeat : std::uint8_t { kept, made_again, refused } repeat = Repeat::kept;
  // Instead of `handle`, for answers that come in pieces or later. It answers by the responder, or
  // returns why not without having touched it.
  Result<void> (*stream)(const std::shared_ptr<Call>&, const server::Responder&) = nullptr;
};

struct Nothing {
  friend bool operator==(const Nothing&, const Nothing&) = default;
};
DESCRIBE(Nothing)

// A body that names its project by path beside the members of T: {"project": "acme/ocr", ...}.
template <class T>
struct InProject {
  std::string project;
  T rest;
};

// The same with any node of the organisation: {"org": "acme", ...}.
template <class T>
struct InOrg {
  std::string org;
  T rest;
};

// Takes one text member out of a JSON object; gives it and the rest. Errors: invalid.
Result<std::pair<std::string, std::string>> take_member(std::string_view body,
                                                        std::string_view name);
// A schema with one more required text member.
std::string schema_with_member(std::string_view name, const std::string& schema);

namespace detail {

template <class Body>
struct BodyOf {
  static Result<Body> read(std::string_view text) {
    return json::read<Body>(text.empty() ? "{}" : text);
  }
  static std::string schema() { return json::schema<Body>(); }
};

template <class T>
struct BodyOf<InProject<T>> {
  static Result<InProject<T>> read(std::string_view text) {
    TRY_ASSIGN(auto parts, take_member(text, "project"));
    InProject<T> body;
    body.project = std::move(parts.first);
    TRY_ASSIGN(body.rest, json::read<T>(parts.second));
    return body;
  }
  static std::string schema() { return schema_with_member("project", json::schema<T>()); }
};

template <class T>
struct BodyOf<InOrg<T>> {
  static Result<InOrg<T>> read(std::string_view text) {
    TRY_ASSIGN(auto parts, take_member(text, "org"));
    InOrg<T> body;
    body.org = std::move(parts.first);
    TRY_ASSIGN(body.rest, json::read<T>(parts.second));
    return body;
  }
  static std::string schema() { return schema_with_member("org", json::schema<T>()); }
};

template <class View>
Reply reply_with(int status, const View& view) {
  Reply reply;
  reply.status = status;
  if constexpr (!std::same_as<View, Nothing>) json::write(reply.body, view);
  return reply;
}

template <auto Handler> struct Adapter;

// Result<View> handler(Call&)
template <class View, Result<View> (*Handler)(Call&)>
struct Adapter<Handler> {
  using Answer = View;
  static constexpr bool has_body = false;
  static Result<Reply> handle(Call& call) {
    TRY_ASSIGN(const View view, Handler(call));
    return reply_with(200, view);
  }
};

// Result<View> handler(Call&, Body)
template <class View, class Body, Result<View> (*Handler)(Call&, const Body&)>
struct Adapter<Handler> {
  using Answer = View;
  using Request = Body;
  static constexpr bool has_body = true;
  static Result<Reply> handle(Call& call) {
    auto body = BodyOf<Body>::read(call.body());
    if (!body) return call.unreadable(std::move(body).error());
    TRY_ASSIGN(const View view, Handler(call, *body));
    return reply_with(200, view);
  }
};

}  // namespace detail

// A route from a handler `Result<View> f(Call&)` or `Result<View> f(Call&, const Body&)`; schemas
// come from the described types. A View of Nothing answers 204.
template <auto Handler>
Route route(http::Method method, std::string_view pattern, std::string_view operation,
            std::string_view summary, access::Resource resource, access::Action action,
            std::vector<Parameter> query = {}) {
  using Made = detail::Adapter<Handler>;
  Route made;
  made.method = method;
  made.pattern = pattern;
  made.operation = operation;
  made.summary = summary;
  made.resource = resource;
  made.action = action;
  made.query = std::move(query);
  made.handle = &Made::handle;
  if constexpr (Made::has_body) {
    made.request_schema = &detail::BodyOf<typename Made::Request>::schema;
  }
  if constexpr (std::same_as<typename Made::Answer, Nothing>) {
    made.success = 204;
  } else {
    made.answer_schema = &json::schema<typename Made::Answer>;
    made.success = method == http::Method::post && action == access::Action::create ? 201 : 200;
  }
  return made;
}

// A route whose handler answers by itself.
template <Result<void> (*Handler)(const std::shared_ptr<Call>&, const server::Responder&)>
Route stream_route(http::Method method, std::string_view pattern, std::string_view operation,
                   std::string_view summary, access::Resource resource, access::Action action,
                   std::vector<Parameter> query = {}) {
  Route made;
  made.method = method;
  made.pattern = pattern;
  made.operation = operation;
  made.summary = summary;
  made.resource = resource;
  made.action = action;
  made.query = std::move(query);
  made.stream = Handler;
  return made;
}

using Table = std::vector<Route>;

}  // namespace bessemer::api
