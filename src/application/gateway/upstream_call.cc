// One request to a replica and its answer, with the tries that may be needed.
#include "application/gateway/upstream_call.h"

#include <algorithm>

#include "application/http/parse.h"

namespace bessemer::gateway {

UpstreamCall::UpstreamCall(real::Loop& loop, std::vector<std::shared_ptr<Upstream>> replicas,
                           std::string bytes, UpstreamUser& user,
                           const UpstreamTimeouts& timeouts)
    : loop_(loop), replicas_(std::move(replicas)), bytes_(std::move(bytes)), user_(&user),
      timeouts_(timeouts), moved_(loop.now()) {}

UpstreamCall::~UpstreamCall() { release(); }

std::shared_ptr<UpstreamCall> UpstreamCall::start(
    real::Loop& loop, std::vector<std::shared_ptr<Upstream>> replicas, std::string bytes,
    UpstreamUser& user, const UpstreamTimeouts& timeouts) {
  std::shared_ptr<UpstreamCall> made(
      new UpstreamCall(loop, std::move(replicas), std::move(bytes), user, timeouts));
  // Not before the caller holds it: it may fail at once.
  loop.later([made] {
    if (made->user_ != nullptr) made->attempt(Upstream::Kind::any);
  });
  made->watch();
  return made;
}

void UpstreamCall::release() {
  connection_.reset();
  loop_.cancel(std::exchange(timer_, 0));
  if (upstream_) std::exchange(upstream_, nullptr)->ended();
}

void UpstreamCall::cancel() {
  user_ = nullptr;
  ++number_;
  release();
}

void UpstreamCall::pause() {
  paused_ = true;
  if (connection_) connection_->pause();
}

void UpstreamCall::resume() {
  if (!std::exchange(paused_, false)) return;
  moved_ = loop_.now();
  if (!connection_) return;
  connection_->resume();
  // What was read before the pause waits in the buffer.
  loop_.later([self = shared_from_this()] {
    if (self->user_ != nullptr && self->connection_) self->on_input(*self->connection_);
  });
}

void UpstreamCall::attempt(Upstream::Kind kind) {
  if (kind == Upstream::Kind::any) {
    const auto before = upstream_;
    if (before) std::exchange(upstream_, nullptr)->ended();
    upstream_ = choose(replicas_, before.get());
    if (!upstream_) {
      return failed(unavailable("no replica of the model is ready").because("no_replica"));
    }
    upstream_->began();
    ++tries_;
  }
  anything_came_ = false;
  const auto number = ++number_;
  upstream_->acquire(*this, kind, [self = shared_from_this(), number](Result<Line> line) {
    self->got_line(std::move(line), number);
  });
}

void UpstreamCall::got_line(Result<Line> line, int number) {
  if (number != number_ || user_ == nullptr) {
    // Nobody waits for it any more. A fresh one serves the next request.
    return;
  }
  if (!line) return failed(line.error());
  used_before_ = line->used_before;
  connection_ = std::move(line->connection);
  connection_->send(bytes_);
}

// The current attempt has failed: another one where the caller has seen nothing yet.
void UpstreamCall::failed(const Error& why) {
  connection_.reset();
  if (user_ == nullptr) return;
  const bool nothing_came = !anything_came_;
  if (upstream_ && !head_read_) {
    if (used_before_ && nothing_came) {
      // It was closed in the moment when it was used again.
      used_before_ = false;
      return attempt(Upstream::Kind::fresh);
    }
    upstream_->eject();
    if (tries_ < max_tries && replicas_.size() > 1) return attempt(Upstream::Kind::any);
  }
  auto* const user = std::exchange(user_, nullptr);
  const auto self = shared_from_this();
  release();
  user->on_failed(why);
}

void UpstreamCall::finish(bool reusable) {
  auto* const user = std::exchange(user_, nullptr);
  const auto self = shared_from_this();
  if (reusable && connection_) upstream_->keep(std::move(connection_));
  release();
  user->on_complete();
}

void UpstreamCall::watch() {
  const auto limit = head_read_ ? timeouts_.stall : timeouts_.first_byte;
  timer_ = loop_.after(std::max(limit - (loop_.now() - moved_), milliseconds(1)),
                       [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->user_ == nullptr) return;
    self->timer_ = 0;
    const auto most = self->head_read_ ? self->timeouts_.stall : self->timeouts_.first_byte;
    if (!self->paused_ && self->loop_.now() - self->moved_ >= most) {
      self->tries_ = max_tries;  // who waited that long does not wait again
      self->used_before_ = false;
      return self->failed(unavailable("the replica did not answer within " + to_text(most))
                              .because("upstream_timeout"));
    }
    if (self->paused_) self->moved_ = self->loop_.now();
    self->watch();
  });
}

void UpstreamCall::on_input(real::Connection& connection) {
  const auto self = shared_from_this();
  anything_came_ = true;
  moved_ = loop_.now();
  while (user_ != nullptr && connection_.get() == &connection && !paused_) {
    if (!(head_read_ ? read_body() : read_head())) return;
  }
}

// False: no more for now, or over.
bool UpstreamCall::read_head() {
  http::ResponseHead head;
  const auto outcome = http::parse_response(connection_->input(), false, head);
  if (outcome.state == http::Parsed::more) return false;
  if (outcome.state == http::Parsed::refused) {
    failed(unavailable(std::string("the replica's answer is not HTTP: ") + outcome.why));
    return false;
  }
  if (head.status < 200) {
    connection_->consume(head.bytes);
    return true;
  }
  framing_ = head.framing;
  left_ = head.content_length;
  keep_alive_ = head.keep_alive;
  // Another replica may do better, as long as the caller has seen nothing.
  if (head.status >= 500 && tries_ < max_tries && replicas_.size() > 1) {
    anything_came_ = true;
    failed(unavailable("the replica answered " + std::to_string(head.status)));
    return false;
  }
  head_read_ = true;
  const std::string type(head.fields.find("content-type").value_or(""));
  const int status = head.status;
  connection_->consume(head.bytes);
  bytes_ = {};
  user_->on_head(status, type);
  return true;
}

bool UpstreamCall::read_body() {
  using Step = http::ChunkedDecoder::Step;
  auto in = connection_->input();
  const auto before = in.size();
  std::string_view piece;
  bool done = framing_ == http::Framing::none;
  if (framing_ == http::Framing::chunked) {
    const auto step = chunks_.next(in, piece);
    if (step == Step::refused) {
      failed(unavailable(std::string("the replica's answer is damaged: ") + chunks_.why()));
      return false;
    }
    done = step == Step::done;
  } else if (framing_ == http::Framing::length) {
    piece = in.substr(0, std::min<std::uint64_t>(left_, in.size()));
    left_ -= piece.size();
    in.remove_prefix(piece.size());
    done = left_ == 0;
  } else if (framing_ == http::Framing::until_close) {
    piece = in;
    in = {};
  }
  const auto taken = before - in.size();
  if (!piece.empty()) {
    auto* const connection = connection_.get();
    user_->on_piece(piece);
    if (user_ == nullptr || connection_.get() != connection) return false;
  }
  connection_->consume(taken);
  if (done) {
    finish(keep_alive_);
    return false;
  }
  return taken > 0;
}

void UpstreamCall::on_end(real::Connection&) {
  if (user_ == nullptr) return;
  if (head_read_ && framing_ == http::Framing::until_close) return finish(false);
  failed(unavailable("the replica closed the connection before its answer was complete")
             .because("upstream_broke_off"));
}

void UpstreamCall::on_broken(real::Connection&, const Error& why) {
  if (user_ == nullptr) return;
  failed(unavailable("the replica: " + why.what).because("upstream_broke_off"));
}

}  // namespace bessemer::gateway
