// An HTTP/1.1 server on a loop: complete requests in, answers now or later, whole or streamed.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "application/http/message.h"
#include "application/http/problem.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/time.h"
#include "world/real/connection.h"
#include "world/real/listener.h"
#include "world/real/loop.h"
#include "world/real/socket.h"

namespace bessemer::server {

struct ServerOptions {
  std::size_t max_connections = 10'000;
  Duration head_timeout = seconds(10);   // from a request's first byte to its blank line
  Duration idle_timeout = seconds(75);   // between requests
  Duration body_timeout = seconds(30);   // without any progress of a body
  Duration write_timeout = seconds(60);  // without the peer taking anything of an answer
  std::size_t high_output = 256 * 1024;  // a stream says Flow::wait above this many unsent bytes
};

enum class Flow : std::uint8_t {
  more,  // go on
  wait,  // no more until told
  gone,  // the peer has hung up or the connection broke: stop for good
};

class Exchange;

// Takes an uploaded body piece by piece, on the loop's thread.
struct BodySink {
  virtual ~BodySink() = default;
  // `wait`: call Upload::resume() when there is room again. An error answers the request with it.
  virtual Result<Flow> write(std::string_view piece) = 0;
  // The body was cut short; on_request will not come.
  virtual void abandoned() {}
};

// How a request's body is to be taken, decided from its head.
struct BodyPlan {
  std::size_t max_bytes = limits::request_body;  // larger bodies are refused with 413
  std::unique_ptr<BodySink> sink;                // set: the body goes here and max_bytes is ignored
  int refused = 0;                               // set with `refusal`: answered without the body
  Error refusal;
  std::optional<http::Envelope> envelope;        // of the refusal, when not the server's own
};

// A complete request. The views in `head` and `body` are valid until the answer is complete.
struct Request {
  http::RequestHead head;
  std::string_view body;           // empty when a sink took it; 64 spare bytes lie behind it
  std::unique_ptr<BodySink> sink;  // what on_head gave, now with the whole body
  real::Peer peer;
};

// An answer in one piece. The server adds content-length, date and connection.
struct Answer {
  int status = 200;
  std::string_view content_type = "application/json";  // a literal
  std::string body;
  std::string fields;  // further head fields, each with its line end (http::append_field)
};

// The right and the duty to answer one request; copies share it. Any thread may use it, at any
// time, also after the peer is gone. When the last copy goes unanswered the server answers 500.
class Responder {
 public:
  Responder() = default;
  explicit Responder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  // Answers whole. Requires: neither answered nor begun (checked).
  void answer(Answer answer) const;
  void refuse(const Error& error, http::Envelope envelope, std::string_view request = {}) const;

  // Begins a streamed answer (chunked; until close for HTTP/1.0). `fields` as in Answer. With
  // `length` the body has exactly that many bytes and is not chunked.
  void begin(int status, std::string_view content_type, std::string fields = {},
             std::int64_t length = -1) const;
  // Requires: begun. Bytes go out in this order.
  Flow write(std::string bytes) const;
  // Ends the streamed answer; `abort` instead breaks the connection, so that the peer cannot take
  // what it has for the whole.
  void end() const;
  void abort() const;

  // Answers 101 and hands the connection over: from then on it is `take`'s, paused, perhaps with
  // bytes that the peer has sent already in input(). `take` is not called when the peer is gone.
  // Requires: neither answered nor begun (checked); the loop's thread.
  using Take = std::function<void(real::ConnectionPointer)>;
  void upgrade(std::string_view protocol, Take take) const;

  // Calls `work` on the loop's thread when the peer goes before the answer is complete.
  void when_gone(real::Work work) const;
  // Calls `work` on the loop's thread each time there is room again after Flow::wait.
  void when_room(real::Work work) const;
  bool gone() const;
  explicit operator bool() const { return exchange_ != nullptr; }

 private:
  std::shared_ptr<Exchange> exchange_;
};

// Goes on with an upload whose sink said Flow::wait. Any thread.
class Upload {
 public:
  explicit Upload(std::weak_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
  void resume() const;

 private:
  std::weak_ptr<Exchange> exchange_;
};

// What a server serves; called on the loop's thread.
struct Handler {
  virtual ~Handler() = default;
  // Decides from the head alone, before any of the body is read.
  virtual BodyPlan on_head(const http::RequestHead&, const Upload&) { return {}; }
  // Answer by `responder`, now or later. `request` stays valid until then; it may be moved from.
  virtual void on_request(Request& request, Responder responder) = 0;
};

struct ServerCounts {
  std::uint64_t connections = 0;  // open now
  std::uint64_t accepted = 0, requests = 0, refused = 0, timed_out = 0;
};

class Session;

// Requests of one connection are served one after the other; pipelined ones wait their turn. A
// message that is refused by the codec is answered in `envelope` and its connection closed.
class HttpServer {
 public:
  HttpServer(real::Loop& loop, Handler& handler, ServerOptions options = {},
             http::Envelope envelope = http::Envelope::problem);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;

  // Any number of addresses. Returns the address with the real port. Errors: as real::listen_on.
  Result<real::Address> listen(const real::Address& address,
                               const real::ListenOptions& options = {});
  // Serves a connection accepted elsewhere.
  void adopt(real::Descriptor socket);

  // No new connections; idle ones close; `done` is called once the rest have been answered or
  // `patience` is over.
  void drain(Duration patience, real::Work done);
  const ServerCounts& counts() const { return counts_; }

 private:
  friend class Session;
  void sweep();
  void ended(Session& session);
  std::string_view date();

  real::Loop& loop_;
  Handler& handler_;
  ServerOptions options_;
  http::Envelope envelope_;
  ServerCounts counts_;
  std::vector<std::unique_ptr<real::Listener>> listeners_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::string scratch_;  // where heads and chunks are put together
  std::string date_;
  Duration date_at_, sweep_every_;
  real::Loop::Timer sweeper_ = 0;
  real::Work drained_;
  Duration drain_by_;
  bool draining_ = false;
};

}  // namespace bessemer::server
