// One connection of a server: reads requests one after the other and writes their answers.
#include "application/server/session.h"

#include <algorithm>

#include "application/http/parse.h"
#include "application/http/write.h"
#include "application/server/exchange.h"
#include "base/check.h"

namespace bessemer::server {
namespace {

constexpr std::size_t spare_bytes = 64;  // behind a decoded body, for simdjson
constexpr std::size_t input_while_idle = 64 * 1024;

}  // namespace

Session::Session(HttpServer& server, real::Descriptor socket) : server_(server) {
  connection_ = real::Connection::adopt(
      server.loop_, std::move(socket), *this,
      {.max_input = input_while_idle, .low_output = server.options_.high_output / 2});
  peer_ = connection_->peer();
  since_ = moved_at_ = now();
}

Session::~Session() {
  if (exchange_) exchange_->tell_gone();
}

Duration Session::now() const { return server_.loop_.now(); }

// ---- reading

void Session::on_input(real::Connection&) {
  progress();
  proceed();
}

// Goes on as far as the bytes reach. Answers given meanwhile come back here by finish().
void Session::proceed() {
  if (proceeding_) return;
  proceeding_ = true;
  bool more = true;
  while (more && at_ != At::over) {
    switch (at_) {
      case At::idle:
        // A peer that asks without reading its answers waits until it has.
        more = !connection_->input().empty() &&
               connection_->unsent() <= server_.options_.high_output;
        if (!more) break;
        at_ = At::head;
        since_ = now();
        break;
      case At::head: more = read_head(); break;
      case At::body: more = read_body(); break;
      default: more = false;
    }
  }
  proceeding_ = false;
}

bool Session::read_head() {
  const auto outcome = http::parse_request(connection_->input(), request_.head);
  if (outcome.state == http::Parsed::more) return false;
  if (outcome.state == http::Parsed::refused) {
    refuse_message(outcome.status, invalid("this is no HTTP request that can be taken: " +
                                           std::string(outcome.why))
                                       .because("bad_message")
                                       .fix("send HTTP/1.1 as RFC 9112 has it"));
    return false;
  }
  ++server_.counts_.requests;
  keep_alive_ = request_.head.keep_alive && !server_.draining_;
  to_head_ = request_.head.method == http::Method::head;
  body_unread_ = request_.head.framing != http::Framing::none;
  request_.peer = peer_;
  exchange_ = std::make_shared<Exchange>(server_.loop_, *this, server_.options_.high_output);
  return accept_body(server_.handler_.on_head(request_.head, Upload(exchange_)));
}

bool Session::accept_body(BodyPlan plan) {
  const auto& head = request_.head;
  if (plan.refused != 0) {
    refuse(plan.refusal, plan.refused, plan.envelope);
    return true;
  }
  request_.sink = std::move(plan.sink);
  request_.body = {};
  max_body_ = plan.max_bytes;
  body_left_ = head.content_length;
  chunks_ = {};
  decoded_.clear();
  at_ = At::body;
  progress();
  if (head.framing == http::Framing::none) {
    hand_over();
    return true;
  }
  if (request_.sink == nullptr && head.content_length > max_body_) {
    refuse_message(413, invalid("the body must be at most " + std::to_string(max_body_) + " bytes")
                            .at("body")
                            .because("body_too_large")
                            .fix("send less, or large data in pieces by /api/v1/uploads"));
    return false;
  }
  if (head.expects_continue) connection_->send("HTTP/1.1 100 Continue\r\n\r\n");
  if (request_.sink == nullptr && head.framing == http::Framing::length) {
    connection_->set_max_input(head.bytes + head.content_length + input_while_idle);
    return true;
  }
  // The bytes behind the head are taken as they come: the head moves out of their way.
  const auto bytes = head.bytes;
  head_copy_.assign(connection_->input().substr(0, bytes));
  connection_->consume(bytes);
  return parse_again(head_copy_);
}

// Points the head's views to `bytes`, which hold the same head.
bool Session::parse_again(std::string_view bytes) {
  check(http::parse_request(bytes, request_.head).state == http::Parsed::complete,
        "server: a head read differently the second time");
  return true;
}

bool Session::read_body() {
  const bool pieces = request_.sink != nullptr || request_.head.framing == http::Framing::chunked;
  if (!pieces) return read_whole_body();
  if (request_.head.framing == http::Framing::chunked) return read_chunked_body();
  while (body_left_ > 0) {
    if (connection_->paused()) return false;
    const auto input = connection_->input();
    const auto piece = input.substr(0, std::min<std::uint64_t>(body_left_, input.size()));
    if (piece.empty()) return false;
    body_left_ -= piece.size();
    if (!feed_sink(piece)) return false;
    connection_->consume(piece.size());
  }
  if (connection_->paused()) return false;
  hand_over();
  return true;
}

bool Session::read_whole_body() {
  const auto input = connection_->input();
  const auto whole = request_.head.bytes + request_.head.content_length;
  if (input.size() < whole) return false;
  parse_again(input);  // the buffer may have moved while it grew
  request_.body = input.substr(request_.head.bytes, request_.head.content_length);
  hand_over();
  return true;
}

bool Session::read_chunked_body() {
  while (!connection_->paused()) {
    auto input = connection_->input();
    const auto before = input.size();
    std::string_view piece;
    const auto step = chunks_.next(input, piece);
    const auto taken = before - input.size();
    if (step == http::ChunkedDecoder::Step::refused) {
      refuse_message(400, invalid(chunks_.why()));
      return false;
    }
    if (step == http::ChunkedDecoder::Step::data) {
      if (request_.sink == nullptr && decoded_.size() + piece.size() > max_body_) {
        refuse_message(413, invalid("the body must be at most " + std::to_string(max_body_) +
                                    " bytes"));
        return false;
      }
      if (request_.sink == nullptr) decoded_ += piece;
      else if (!feed_sink(piece)) return false;
    }
    connection_->consume(taken);
    if (step == http::ChunkedDecoder::Step::more) return false;
    if (step != http::ChunkedDecoder::Step::done) continue;
    decoded_.reserve(decoded_.size() + spare_bytes);
    if (request_.sink == nullptr) request_.body = decoded_;
    hand_over();
    return true;
  }
  return false;
}

// False: the sink refused and the request is answered.
bool Session::feed_sink(std::string_view piece) {
  const auto flow = request_.sink->write(piece);
  if (!flow) {
    refuse(flow.error(), 0);
    return false;
  }
  if (*flow == Flow::wait) connection_->pause();
  return true;
}

void Session::resume_upload() {
  if (at_ != At::body || !connection_->paused()) return;
  connection_->resume();
  progress();
  proceed();
}

void Session::hand_over() {
  at_ = At::handling;
  body_unread_ = false;
  // Nothing may move the buffer under the request's views; a hang-up is still told.
  connection_->pause();
  server_.handler_.on_request(request_, exchange_->make_responder());
}

// ---- answering

void Session::append_head(int status, std::string_view content_type, std::string_view fields) {
  auto& out = server_.scratch_;
  out.clear();
  http::append_status_line(out, status);
  if (!content_type.empty()) http::append_field(out, "content-type", content_type);
  http::append_field(out, "date", server_.date());
  if (body_unread_ || server_.draining_) keep_alive_ = false;
  if (!keep_alive_) {
    http::append_field(out, "connection", "close");
  } else if (request_.head.minor_version == 0) {
    http::append_field(out, "connection", "keep-alive");
  }
  out += fields;
}

void Session::answer(Answer answer) {
  if (connection_->unsent() == 0) progress();
  append_head(answer.status, answer.content_type, answer.fields);
  auto& out = server_.scratch_;
  const bool bodiless = answer.status == 204 || answer.status == 304;
  if (!bodiless) http::append_field(out, "content-length", answer.body.size());
  http::end_head(out);
  connection_->send(out, bodiless || to_head_ ? std::string_view{} : answer.body);
  finish();
}

void Session::refuse(const Error& error, int status, std::optional<http::Envelope> envelope) {
  auto refusal = http::refuse(error, envelope.value_or(server_.envelope_), {}, status);
  ++server_.counts_.refused;
  answer({.status = refusal.status,
          .content_type = refusal.content_type,
          .body = std::move(refusal.body),
          .fields = std::move(refusal.fields)});
}

// A message that cannot be understood, or not be taken: what follows it on this connection cannot
// be told apart from it.
void Session::refuse_message(int status, Error error) {
  keep_alive_ = false;
  refuse(error, status);
}

void Session::begin_answer(int status, std::string_view content_type, std::string_view fields,
                           std::int64_t length) {
  chunked_answer_ = length < 0 && request_.head.minor_version == 1;
  if (length < 0 && !chunked_answer_) keep_alive_ = false;
  append_head(status, content_type, fields);
  auto& out = server_.scratch_;
  if (length >= 0) {
    http::append_field(out, "content-length", static_cast<std::uint64_t>(length));
  } else if (chunked_answer_) {
    http::append_field(out, "transfer-encoding", "chunked");
  }
  http::end_head(out);
  answer_left_ = length;
  at_ = At::answering;
  progress();
  connection_->send(out);
  exchange_->note_unsent(connection_->unsent());
}

void Session::write_answer(std::string_view bytes) {
  if (answer_left_ >= 0) {
    check(bytes.size() <= static_cast<std::uint64_t>(answer_left_), "server: more than its length");
    answer_left_ -= static_cast<std::int64_t>(bytes.size());
  }
  if (to_head_) return;
  if (connection_->unsent() == 0) progress();
  if (chunked_answer_) {
    auto& out = server_.scratch_;
    out.clear();
    http::append_chunk(out, bytes);
    connection_->send(out);
  } else {
    connection_->send(bytes);
  }
  exchange_->note_unsent(connection_->unsent());
}

void Session::end_answer() {
  if (answer_left_ > 0 && !to_head_) return break_answer();
  if (chunked_answer_ && !to_head_) connection_->send(http::last_chunk);
  finish();
}

void Session::break_answer() { over(false); }

// This session ends; its connection goes on in other hands.
void Session::upgrade(std::string_view protocol, const Responder::Take& take) {
  auto& out = server_.scratch_;
  out.clear();
  http::append_status_line(out, 101);
  http::append_field(out, "connection", "upgrade");
  http::append_field(out, "upgrade", protocol);
  http::end_head(out);
  const auto& head = request_.head;
  const bool whole = head.framing == http::Framing::length;
  if (head_copy_.empty()) connection_->consume(head.bytes + (whole ? head.content_length : 0));
  connection_->set_max_input(input_while_idle);
  connection_->send(out);
  at_ = At::over;
  exchange_->complete();
  exchange_.reset();
  auto connection = std::move(connection_);
  server_.ended(*this);
  take(std::move(connection));
}

// The answer is complete: on to the next request, or the end.
void Session::finish() {
  if (exchange_) {
    exchange_->complete();
    exchange_.reset();
  }
  if (at_ == At::body && request_.sink) request_.sink->abandoned();
  request_.sink.reset();
  if (!keep_alive_) return over(true);
  const auto& head = request_.head;
  const bool head_moved = !head_copy_.empty();
  if (!head_moved) {
    const bool whole = head.framing == http::Framing::length;
    connection_->consume(head.bytes + (whole ? head.content_length : 0));
  }
  head_copy_.clear();
  if (decoded_.capacity() > input_while_idle) decoded_.shrink_to_fit();
  connection_->set_max_input(input_while_idle);
  at_ = At::idle;
  since_ = now();
  connection_->resume();
  proceed();
}

// ---- ending

void Session::over(bool gently) {
  if (at_ == At::over) return;
  if (at_ == At::body && request_.sink) request_.sink->abandoned();
  request_.sink.reset();
  at_ = At::over;
  const auto exchange = std::move(exchange_);
  if (gently) real::Connection::close_gently(std::move(connection_));
  else connection_->close();
  if (exchange) exchange->tell_gone();
  server_.ended(*this);
}

void Session::on_hang_up(real::Connection&) {
  // Before the request is whole, what was sent is read to its end first.
  if (at_ == At::handling || at_ == At::answering) over(false);
}

void Session::on_end(real::Connection&) { over(true); }

void Session::on_room(real::Connection&) {
  progress();
  if (!exchange_) return proceed();
  exchange_->note_unsent(connection_->unsent());
  const auto exchange = exchange_;
  exchange->tell_room();
}

void Session::on_broken(real::Connection&, const Error&) { over(false); }

void Session::close_soon() {
  keep_alive_ = false;
  if (at_ == At::idle) over(true);
}

void Session::sweep(Duration at) {
  const auto& limits = server_.options_;
  const auto unsent = connection_->unsent();
  if (unsent != last_unsent_) progress();
  last_unsent_ = unsent;
  const auto moved = at - moved_at_, here = at - since_;
  if (unsent > 0 && moved > limits.write_timeout) {
    ++server_.counts_.timed_out;
    return over(false);
  }
  if (at_ == At::idle && here > limits.idle_timeout) return over(true);
  const bool waits_for_sink = at_ == At::body && connection_->paused();
  const bool slow_head = at_ == At::head && here > limits.head_timeout;
  const bool slow_body = at_ == At::body && !waits_for_sink && moved > limits.body_timeout;
  if (!slow_head && !slow_body) return;
  ++server_.counts_.timed_out;
  refuse_message(408, unavailable(slow_head ? "the request's head took too long"
                                            : "the request's body stopped moving"));
}

}  // namespace bessemer::server
