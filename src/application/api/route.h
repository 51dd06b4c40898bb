// The table of routes: what is asked, who may, and what comes back.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "application/api/call.h"
#include "application/http/message.h"
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
  std::vector<Parameter> query;
  std::string (*request_schema)() = nullptr;  // null: no body
  std::string (*answer_schema)() = nullptr;   // null: no content
  Result<Reply> (*handle)(Call&) = nullptr;
};

struct Nothing {
  friend bool operator==(const Nothing&, const Nothing&) = default;
};
DESCRIBE(Nothing)

namespace detail {

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
    TRY_ASSIGN(const Body body, json::read<Body>(call.body().empty() ? "{}" : call.body()));
    TRY_ASSIGN(const View view, Handler(call, body));
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
  if constexpr (Made::has_body) made.request_schema = &json::schema<typename Made::Request>;
  if constexpr (std::same_as<typename Made::Answer, Nothing>) {
    made.success = 204;
  } else {
    made.answer_schema = &json::schema<typename Made::Answer>;
    made.success = method == http::Method::post && action == access::Action::create ? 201 : 200;
  }
  return made;
}

using Table = std::vector<Route>;

}  // namespace bessemer::api
