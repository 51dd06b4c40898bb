// An HTTP/1.1 server on a loop: connections and their common clock.
#include "application/server/server.h"

#include <algorithm>

#include "application/http/write.h"
#include "application/server/session.h"
#include "world/real/clock.h"

namespace bessemer::server {

HttpServer::HttpServer(real::Loop& loop, Handler& handler, ServerOptions options,
                       http::Envelope envelope)
    : loop_(loop), handler_(handler), options_(options), envelope_(envelope) {
  const auto shortest = std::min({options.head_timeout, options.idle_timeout,
                                  options.body_timeout, options.write_timeout});
  sweep_every_ = std::clamp(shortest / 4, milliseconds(5), seconds(1));
}

HttpServer::~HttpServer() {
  loop_.cancel(sweeper_);
  listeners_.clear();
  for (auto& session : std::exchange(sessions_, {})) session.reset();
}

Result<real::Address> HttpServer::listen(const real::Address& address,
                                         const real::ListenOptions& options) {
  TRY_ASSIGN(auto listener, real::Listener::open(loop_, address, options,
                                                 [this](real::Descriptor socket) {
                                                   adopt(std::move(socket));
                                                 }));
  listeners_.push_back(std::move(listener));
  return listeners_.back()->address();
}

void HttpServer::adopt(real::Descriptor socket) {
  auto session = std::make_unique<Session>(*this, std::move(socket));
  session->index_ = sessions_.size();
  sessions_.push_back(std::move(session));
  ++counts_.accepted;
  counts_.connections = sessions_.size();
  if (sessions_.size() >= options_.max_connections) {
    for (auto& listener : listeners_) listener->pause();
  }
  if (sweeper_ == 0) sweeper_ = loop_.after(sweep_every_, [this] { sweep(); });
}

void HttpServer::ended(Session& session) {
  const auto index = session.index_;
  std::swap(sessions_[index], sessions_.back());
  sessions_[index]->index_ = index;
  loop_.bury(std::move(sessions_.back()));
  sessions_.pop_back();
  counts_.connections = sessions_.size();
  if (draining_) {
    if (sessions_.empty() && drained_) loop_.later(std::exchange(drained_, nullptr));
    return;
  }
  if (sessions_.size() + 1 == options_.max_connections) {
    for (auto& listener : listeners_) listener->resume();
  }
}

void HttpServer::sweep() {
  sweeper_ = 0;
  // From the back: a session that ends is replaced by one already looked at.
  for (std::size_t i = sessions_.size(); i-- > 0;) sessions_[i]->sweep(loop_.now());
  if (draining_ && loop_.now() >= drain_by_) {
    while (!sessions_.empty()) sessions_.back()->over(false);
  }
  if (!sessions_.empty()) sweeper_ = loop_.after(sweep_every_, [this] { sweep(); });
}

void HttpServer::drain(Duration patience, real::Work done) {
  draining_ = true;
  drained_ = std::move(done);
  drain_by_ = loop_.now() + patience;
  listeners_.clear();
  for (std::size_t i = sessions_.size(); i-- > 0;) sessions_[i]->close_soon();
  if (sessions_.empty() && drained_) loop_.later(std::exchange(drained_, nullptr));
}

std::string_view HttpServer::date() {
  if (date_.empty() || loop_.now() - date_at_ >= milliseconds(500)) {
    date_at_ = loop_.now();
    date_ = http::date_text(real::RealClock().now());
  }
  return date_;
}

}  // namespace bessemer::server
