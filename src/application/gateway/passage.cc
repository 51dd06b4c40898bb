// A question about a model that costs nothing: asked of a replica and answered as it says.
#include "application/gateway/passage.h"

#include "application/http/write.h"

namespace bessemer::gateway {

void Passage::start(Surroundings& around, const Endpoint& endpoint, const std::string& target,
                    http::Envelope envelope, server::Responder responder) {
  const std::shared_ptr<Passage> passage(new Passage(envelope, std::move(responder)));
  std::string bytes;
  http::append_request_line(bytes, "GET", target);
  http::append_field(bytes, "host", "replica");
  http::end_head(bytes);
  passage->self_ = passage;
  passage->upstream_ = UpstreamCall::start(around.loop, endpoint.replicas, std::move(bytes),
                                           *passage, around.timeouts);
}

void Passage::on_piece(std::string_view piece) {
  if (body_.size() + piece.size() <= max_metadata) {
    body_ += piece;
    return;
  }
  upstream_->cancel();
  on_failed(unavailable("the replica's answer is too large"));
}

void Passage::on_complete() {
  const auto self = std::exchange(self_, nullptr);
  if (status_ < 500) return responder_.answer({.status = status_, .body = std::move(body_)});
  responder_.refuse(unavailable("the replica answered " + std::to_string(status_)), envelope_);
}

void Passage::on_failed(const Error& why) {
  const auto self = std::exchange(self_, nullptr);
  responder_.refuse(why, envelope_);
}

}  // namespace bessemer::gateway
