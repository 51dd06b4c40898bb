// The gateway's routes: who calls what, and what is refused before any money is touched.
#include "application/gateway/service.h"

#include <fmt/format.h>

#include <algorithm>

#include "application/gateway/passage.h"
#include "application/http/uri.h"
#include "base/json.h"

namespace bessemer::gateway {
namespace {

constexpr std::string_view binary_extension = "inference-header-content-length";

Kind kind_of_text(std::string_view last) {
  return last == "embeddings" ? Kind::embeddings
                              : last == "completions" ? Kind::completions : Kind::chat;
}

Error no_route() {
  return not_found("there is no such route").fix("see the gateway's documentation");
}

std::string model_object(std::string_view name) {
  std::string out = R"({"id":)";
  json::quote(out, name);
  return out + R"(,"object":"model","created":0,"owned_by":"bessemer"})";
}

// Ready to be called now: some replica is.
bool is_ready(const Endpoint& endpoint) {
  return !endpoint.broke_bound &&
         std::any_of(endpoint.replicas.begin(), endpoint.replicas.end(),
                     [](const auto& replica) { return replica->ready(); });
}

}  // namespace

Service::Route Service::route_of(const http::RequestHead& head) {
  Route route;
  const auto parts = http::decode_path(head.path);
  if (!parts || parts->empty()) return route;
  const auto& all = *parts;
  const auto is = [&](std::initializer_list<std::string_view> wanted) {
    return std::equal(all.begin(), all.end(), wanted.begin(), wanted.end());
  };
  const auto found = [&](Action action, bool post) {
    route.action = action;
    route.post = post;
  };
  if (all[0] == "v2") route.envelope = http::Envelope::inference;
  if (is({"v1", "chat", "completions"})) found(Action::chat, true);
  else if (is({"v1", "completions"})) found(Action::completions, true);
  else if (is({"v1", "embeddings"})) found(Action::embeddings, true);
  else if (is({"v1", "models"})) found(Action::list_models, false);
  else if (is({"healthz"}) || is({"v2", "health", "live"})) found(Action::live, false);
  else if (is({"readyz"}) || is({"v2", "health", "ready"})) found(Action::ready, false);
  else if (is({"metrics"})) found(Action::metrics, false);
  else if (is({"v2"})) found(Action::server_metadata, false);
  route.open = route.action == Action::live || route.action == Action::ready;
  if (route.action != Action::none || all.size() < 3 || all[1] != "models") return route;
  route.model = all[2];
  if (all[0] == "v1" && all.size() == 3) found(Action::get_model, false);
  if (all[0] != "v2") return route;
  if (all.size() == 3) found(Action::model_metadata, false);
  if (all.size() == 4 && all[3] == "ready") found(Action::model_ready, false);
  if (all.size() == 4 && all[3] == "infer") found(Action::infer, true);
  return route;
}

Result<void> Service::check_method(const Route& route, const http::RequestHead& head) {
  if (route.action == Action::none) return no_route();
  const bool get = head.method == http::Method::get || head.method == http::Method::head;
  if (route.post ? head.method == http::Method::post : get) return {};
  return invalid(route.post ? "this route takes POST" : "this route takes GET")
      .because("method_not_allowed");
}

ControlPlane Service::plane() const {
  const bool asked = around_.control.connected() && around_.catalogue.current();
  return asked ? ControlPlane::connected : ControlPlane::away;
}

Result<Caller> Service::caller_of(const http::RequestHead& head) const {
  return around_.catalogue.keys().find(head.fields.find("authorization").value_or(""),
                                       around_.clock.now(), plane());
}

server::BodyPlan Service::on_head(const http::RequestHead& head, const server::Upload&) {
  server::BodyPlan plan;
  plan.max_bytes = max_request_bytes;
  const auto route = route_of(head);
  plan.envelope = route.envelope;
  const auto refuse = [&](Error error, int status) {
    plan.refused = status;
    plan.refusal = std::move(error);
    return std::move(plan);
  };
  if (auto fits = check_method(route, head); !fits) {
    const bool method = fits.error().reason == "method_not_allowed";
    return refuse(std::move(fits).error(), method ? 405 : 404);
  }
  if (route.open) return plan;
  auto caller = caller_of(head);
  if (!caller) {
    ++around_.counts.refused;
    const auto status = http::status_of(caller.error().code);
    return refuse(std::move(caller).error(), status);
  }
  if (route.action == Action::infer && head.fields.find(binary_extension)) {
    return refuse(invalid("the binary tensor extension is not served").fix("send JSON tensors"),
                  400);
  }
  return plan;
}

void Service::on_request(server::Request& request, server::Responder responder) {
  const auto route = route_of(request.head);
  if (route.action == Action::live) {
    return responder.answer({.body = R"({"live":true})"});
  }
  if (route.action == Action::ready) {
    const bool ready = around_.catalogue.version() > 0 && around_.till.is_open();
    return responder.answer({.status = ready ? 200 : 503,
                             .body = ready ? R"({"ready":true})" : R"({"ready":false})"});
  }
  const auto caller = caller_of(request.head);  // a revocation may have come with the body
  if (!caller) return responder.refuse(caller.error(), route.envelope);
  act(route, *caller, request, responder);
}

void Service::act(const Route& route, const Caller& caller, server::Request& request,
                  const server::Responder& responder) {
  switch (route.action) {
    case Action::metrics:
      return responder.answer({.content_type = "text/plain; version=0.0.4", .body = metrics()});
    case Action::server_metadata:
      return responder.answer({.body = R"({"name":"bessemer","version":"0.1.0","extensions":[]})"});
    case Action::list_models: return list_models(*caller, responder);
    case Action::get_model:
    case Action::model_metadata:
    case Action::model_ready: return describe(route, *caller, responder);
    default: return call(route, caller, request, responder);
  }
}

void Service::list_models(const KeyEntry& caller, const server::Responder& responder) const {
  std::string body = R"({"object":"list","data":[)";
  bool first = true;
  for (const auto& name : around_.catalogue.names(caller)) {
    if (!std::exchange(first, false)) body += ',';
    body += model_object(name);
  }
  responder.answer({.body = body + "]}"});
}

void Service::describe(const Route& route, const KeyEntry& caller,
                       const server::Responder& responder) {
  const auto allowed = may_call(caller, route.model);
  if (!allowed) return responder.refuse(allowed.error(), route.envelope);
  const auto endpoint = around_.catalogue.find(caller, route.model);
  if (!endpoint) return responder.refuse(endpoint.error(), route.envelope);
  if (route.action == Action::get_model) {
    return responder.answer({.body = model_object(route.model)});
  }
  if (route.action == Action::model_ready) {
    const bool ready = is_ready(**endpoint);
    std::string body = R"({"name":)";
    json::quote(body, route.model);
    body += ready ? R"(,"ready":true})" : R"(,"ready":false})";
    return responder.answer({.status = ready ? 200 : 503, .body = std::move(body)});
  }
  const auto& entry = (*endpoint)->entry;
  std::string target = "/v2/models/";
  http::append_encoded(target, entry.engine_model.empty() ? route.model : entry.engine_model);
  Passage::start(around_, **endpoint, target, route.envelope, responder);
}

Result<Order> Service::order_for(const Route& route, const Caller& caller,
                                 const server::Request& request, RequestId id) const {
  Order order;
  order.caller = caller;
  order.request = id;
  order.body = request.body;
  order.envelope = route.envelope;
  if (route.action == Action::infer) {
    order.kind = Kind::infer;
    order.asked.model = route.model;
  } else {
    const auto path = request.head.path;
    order.kind = route.action == Action::chat ? Kind::chat
                                              : kind_of_text(path.substr(path.rfind('/') + 1));
    TRY_ASSIGN(order.asked, read_request(request.body));
    if (order.kind == Kind::embeddings) order.asked.stream = false;
    order.target = std::string(path);
  }
  if (const auto key = request.head.fields.find("idempotency-key")) {
    if (key->empty() || key->size() > control::max_idempotency_key) {
      return invalid("must have 1 to 255 characters").at("Idempotency-Key");
    }
    order.idempotency_key = std::string(*key);
  }
  const auto& model = order.asked.model;
  TRY(may_call(*caller, model));
  TRY_ASSIGN(order.endpoint, around_.catalogue.find(*caller, model));
  const auto& entry = order.endpoint->entry;
  const auto wanted = order.kind == Kind::infer ? control::Protocol::v2 : control::Protocol::openai;
  if (entry.protocol != wanted) {
    return not_found("the model '" + model + "' is served over " +
                     (wanted == control::Protocol::openai
                          ? "the Open Inference Protocol: POST /v2/models/" + model + "/infer"
                          : std::string("OpenAI's routes: POST /v1/chat/completions")))
        .at("model")
        .because("wrong_protocol");
  }
  if (order.endpoint->broke_bound || !is_ready(*order.endpoint)) {
    return unavailable("no replica of the model '" + model + "' is ready")
        .because("no_replica")
        .retried(Retry::later, seconds(2).ns);
  }
  TRY_ASSIGN(order.tariff, around_.catalogue.tariff(*caller, entry, around_.clock.now()));
  if (order.kind == Kind::infer) {
    order.target = "/v2/models/";
    http::append_encoded(order.target, entry.engine_model.empty() ? model : entry.engine_model);
    order.target += "/infer";
  }
  return order;
}

void Service::call(const Route& route, const Caller& caller, server::Request& request,
                   const server::Responder& responder) {
  const auto id = world::draw_id<RequestId>(around_.clock, entropy_);
  auto order = order_for(route, caller, request, id);
  if (!order) {
    ++around_.counts.refused;
    const auto& error = order.error();
    if (error.code == Code::forbidden) {
      around_.control.send(control::FromGateway(control::RequestRefused{
          id, caller->id, route.model, error.reason, error.what, around_.clock.now()}));
    }
    return responder.refuse(error, route.envelope, to_text(id));
  }
  Call::start(around_, *std::move(order), responder);
}

std::string Service::metrics() const {
  const auto& counts = around_.counts;
  std::string out;
  const auto line = [&](std::string_view name, std::string_view type, std::uint64_t value) {
    out += fmt::format("# TYPE bessemer_gateway_{0} {1}\nbessemer_gateway_{0} {2}\n", name, type,
                       value);
  };
  line("calls_total", "counter", counts.calls);
  line("calls_running", "gauge", counts.running);
  line("refusals_total", "counter", counts.refused);
  line("settlements_total", "counter", counts.settled);
  line("settlements_estimated_total", "counter", counts.estimated);
  line("voids_total", "counter", counts.voided);
  line("streams_cut_total", "counter", counts.cut);
  line("disconnects_total", "counter", counts.disconnected);
  line("bound_violations_total", "counter", counts.bound_violations);
  line("input_tokens_total", "counter", counts.input_tokens);
  line("output_tokens_total", "counter", counts.output_tokens);
  return out;
}

}  // namespace bessemer::gateway
