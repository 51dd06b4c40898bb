// What a responder, in any thread, and a session, on its loop, share about one request.
#include "application/server/exchange.h"

#include "application/server/session.h"
#include "base/check.h"

namespace bessemer::server {

template <class F>
void Exchange::on_loop(F work) {
  if (loop_.in_loop_thread()) {
    if (session_ != nullptr) work(*session_);
    return;
  }
  loop_.post([self = shared_from_this(), work = std::move(work)]() mutable {
    if (self->session_ != nullptr) work(*self->session_);
  });
}

Responder Exchange::make_responder() {
  // Counts the responders apart from the session's own reference.
  const auto self = shared_from_this();
  return Responder(std::shared_ptr<Exchange>(this, [self](Exchange*) { self->dropped(); }));
}

void Exchange::dropped() {
  const auto duty = duty_.exchange(Duty::done);
  if (duty == Duty::begun) on_loop([](Session& session) { session.break_answer(); });
  if (duty != Duty::open) return;
  on_loop([](Session& session) {
    session.refuse(internal("a request was dropped without an answer"), 0);
  });
}

void Exchange::answer(Answer answer) {
  const auto duty = duty_.exchange(Duty::done);
  check(duty == Duty::open, "server: answered twice");
  on_loop([answer = std::move(answer)](Session& session) mutable {
    session.answer(std::move(answer));
  });
}

void Exchange::begin(int status, std::string_view content_type, std::string fields,
                     std::int64_t length) {
  const auto duty = duty_.exchange(Duty::begun);
  check(duty == Duty::open, "server: begun twice");
  on_loop([=, fields = std::move(fields)](Session& session) {
    session.begin_answer(status, content_type, fields, length);
  });
}

Flow Exchange::flow() const {
  if (gone()) return Flow::gone;
  const auto held =
      posted_.load(std::memory_order_relaxed) + unsent_.load(std::memory_order_relaxed);
  return held > high_output_ ? Flow::wait : Flow::more;
}

Flow Exchange::write(std::string bytes) {
  check(duty_.load(std::memory_order_relaxed) == Duty::begun, "server: write without begin");
  if (bytes.empty()) return flow();
  const bool here = loop_.in_loop_thread();
  if (!here) posted_.fetch_add(bytes.size(), std::memory_order_relaxed);
  on_loop([this, here, bytes = std::move(bytes)](Session& session) {
    if (!here) posted_.fetch_sub(bytes.size(), std::memory_order_relaxed);
    session.write_answer(bytes);
    if (!here) tell_room();
  });
  const auto flow = this->flow();
  if (flow == Flow::wait) {
    waiting_.store(true);
    // The room may have come between the two looks.
    if (!here) on_loop([this](Session&) { tell_room(); });
  }
  return flow;
}

void Exchange::end() {
  const auto duty = duty_.exchange(Duty::done);
  check(duty == Duty::begun, "server: end without begin");
  on_loop([](Session& session) { session.end_answer(); });
}

void Exchange::abort() {
  duty_.store(Duty::done);
  on_loop([](Session& session) { session.break_answer(); });
}

void Exchange::upgrade(std::string_view protocol, Responder::Take take) {
  check(loop_.in_loop_thread(), "server: an upgrade from another thread");
  const auto duty = duty_.exchange(Duty::done);
  check(duty == Duty::open, "server: upgraded after an answer");
  if (session_ != nullptr) session_->upgrade(protocol, take);
}

void Exchange::when_gone(real::Work work) {
  auto set = [this, work = std::move(work)]() mutable {
    if (gone()) return work();
    when_gone_ = std::move(work);
  };
  if (loop_.in_loop_thread()) return set();
  loop_.post([self = shared_from_this(), set = std::move(set)]() mutable { set(); });
}

void Exchange::when_room(real::Work work) {
  auto set = [this, work = std::move(work)]() mutable { when_room_ = std::move(work); };
  if (loop_.in_loop_thread()) return set();
  loop_.post([self = shared_from_this(), set = std::move(set)]() mutable { set(); });
}

void Exchange::tell_gone() {
  gone_.store(true, std::memory_order_release);
  session_ = nullptr;
  when_room_ = nullptr;
  if (when_gone_) std::exchange(when_gone_, nullptr)();
}

void Exchange::tell_room() {
  if (!waiting_.load() || flow() != Flow::more || !when_room_) return;
  waiting_.store(false);
  // Copied: the work may set another.
  const auto work = when_room_;
  work();
}

void Exchange::resume_upload() {
  on_loop([](Session& session) { session.resume_upload(); });
}

// ---- Responder and Upload, which are handles

void Responder::answer(Answer answer) const { exchange_->answer(std::move(answer)); }

void Responder::refuse(const Error& error, http::Envelope envelope,
                       std::string_view request) const {
  auto refusal = http::refuse(error, envelope, request);
  answer({.status = refusal.status,
          .content_type = refusal.content_type,
          .body = std::move(refusal.body),
          .fields = std::move(refusal.fields)});
}

void Responder::begin(int status, std::string_view content_type, std::string fields,
                      std::int64_t length) const {
  exchange_->begin(status, content_type, std::move(fields), length);
}

Flow Responder::write(std::string bytes) const { return exchange_->write(std::move(bytes)); }
void Responder::end() const { exchange_->end(); }
void Responder::abort() const { exchange_->abort(); }
void Responder::upgrade(std::string_view protocol, Take take) const {
  exchange_->upgrade(protocol, std::move(take));
}
void Responder::when_gone(real::Work work) const { exchange_->when_gone(std::move(work)); }
void Responder::when_room(real::Work work) const { exchange_->when_room(std::move(work)); }
bool Responder::gone() const { return exchange_->gone(); }

void Upload::resume() const {
  if (const auto exchange = exchange_.lock()) exchange->resume_upload();
}

}  // namespace bessemer::server
