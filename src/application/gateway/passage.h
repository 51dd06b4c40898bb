// A question about a model that costs nothing: asked of a replica and answered as it says.
#pragma once
#include <memory>
#include <string>

#include "application/gateway/call.h"

namespace bessemer::gateway {

constexpr std::size_t max_metadata = 1u << 20;

// GETs `target` from a replica. Metadata only: nothing that generates passes here.
class Passage final : public std::enable_shared_from_this<Passage>, UpstreamUser {
 public:
  static void start(Surroundings& around, const Endpoint& endpoint, const std::string& target,
                    http::Envelope envelope, server::Responder responder);

 private:
  Passage(http::Envelope envelope, server::Responder responder)
      : envelope_(envelope), responder_(std::move(responder)) {}
  void on_head(int status, std::string_view) override { status_ = status; }
  void on_piece(std::string_view piece) override;
  void on_complete() override;
  void on_failed(const Error& why) override;

  http::Envelope envelope_;
  server::Responder responder_;
  std::shared_ptr<UpstreamCall> upstream_;
  std::shared_ptr<Passage> self_;  // until it is answered
  std::string body_;
  int status_ = 0;
};

}  // namespace bessemer::gateway
