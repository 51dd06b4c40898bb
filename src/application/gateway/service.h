// The gateway's routes: who calls what, and what is refused before any money is touched.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "application/gateway/call.h"
#include "application/server/server.h"

namespace bessemer::gateway {

constexpr std::size_t max_request_bytes = 8u << 20;  // of one call's body

class Service final : public server::Handler {
 public:
  Service(Surroundings& around, world::Entropy& entropy) : around_(around), entropy_(entropy) {}

  server::BodyPlan on_head(const http::RequestHead& head, const server::Upload& upload) override;
  void on_request(server::Request& request, server::Responder responder) override;

 private:
  // What a path means.
  enum class Action : std::uint8_t {
    none, live, ready, metrics, server_metadata,
    list_models, get_model, model_metadata, model_ready,
    chat, completions, embeddings, infer,
  };
  struct Route {
    Action action = Action::none;
    std::string model;  // of the path
    http::Envelope envelope = http::Envelope::openai;
    bool post = false, open = false;  // open: without a key
  };
  static Route route_of(const http::RequestHead& head);
  static Result<void> check_method(const Route& route, const http::RequestHead& head);
  Result<Caller> caller_of(const http::RequestHead& head) const;
  ControlPlane plane() const;

  void act(const Route& route, const Caller& caller, server::Request& request,
           const server::Responder& responder);
  void call(const Route& route, const Caller& caller, server::Request& request,
            const server::Responder& responder);
  Result<Order> order_for(const Route& route, const Caller& caller,
                          const server::Request& request, RequestId id) const;
  void list_models(const KeyEntry& caller, const server::Responder& responder) const;
  void describe(const Route& route, const KeyEntry& caller, const server::Responder& responder);
  std::string metrics() const;

  Surroundings& around_;
  world::Entropy& entropy_;
};

}  // namespace bessemer::gateway
