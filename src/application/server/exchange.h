// What a responder, in any thread, and a session, on its loop, share about one request.
#pragma once
#include <atomic>
#include <memory>
#include <string>

#include "application/server/server.h"

namespace bessemer::server {

class Session;

// Lives as long as either side. Everything but the atomics belongs to the loop's thread.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(real::Loop& loop, Session& session, std::size_t high_output)
      : loop_(loop), session_(&session), high_output_(high_output) {}

  // The one responder of this request; its copies share the duty to answer.
  Responder make_responder();

  // ---- any thread
  void answer(Answer answer);
  void begin(int status, std::string_view content_type, std::string fields, std::int64_t length);
  Flow write(std::string bytes);
  void end();
  void abort();
  void upgrade(std::string_view protocol, Responder::Take take);
  void when_gone(real::Work work);
  void when_room(real::Work work);
  void resume_upload();
  bool gone() const { return gone_.load(std::memory_order_acquire); }
  Flow flow() const;

  // ---- the loop's thread
  // The session has the whole answer, or is over.
  void complete() { session_ = nullptr; }
  void tell_gone();
  void tell_room();
  void note_unsent(std::size_t bytes) { unsent_.store(bytes, std::memory_order_relaxed); }

 private:
  enum class Duty : std::uint8_t { open, begun, done };
  void dropped();
  // Runs `work(session)` on the loop's thread, if the session is still there.
  template <class F>
  void on_loop(F work);

  real::Loop& loop_;
  Session* session_;
  std::size_t high_output_;
  std::atomic<Duty> duty_ = Duty::open;
  std::atomic<bool> gone_ = false;
  std::atomic<bool> waiting_ = false;        // Flow::wait was said
  std::atomic<std::size_t> posted_ = 0;      // bytes on their way to the loop
  std::atomic<std::size_t> unsent_ = 0;      // bytes the socket has not taken
  real::Work when_gone_, when_room_;
};

}  // namespace bessemer::server
