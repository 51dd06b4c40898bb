// One connection of a server: reads requests one after the other and writes their answers.
#pragma once
#include <memory>
#include <string>

#include "application/http/chunked.h"
#include "application/server/server.h"
#include "world/real/connection.h"

namespace bessemer::server {

class Exchange;

class Session final : public real::ConnectionUser {
 public:
  Session(HttpServer& server, real::Descriptor socket);
  ~Session() override;

  // Answers of the current request, from its Exchange.
  void answer(Answer answer);
  void refuse(const Error& error, int status,
              std::optional<http::Envelope> envelope = std::nullopt);
  void begin_answer(int status, std::string_view content_type, std::string_view fields,
                    std::int64_t length);
  void write_answer(std::string_view bytes);
  void end_answer();
  void break_answer();
  void upgrade(std::string_view protocol, const Responder::Take& take);
  void resume_upload();

  // Ends what has taken too long.
  void sweep(Duration now);
  // Closes now if nothing is in hand, otherwise after the answer.
  void close_soon();

  void on_input(real::Connection&) override;
  void on_hang_up(real::Connection&) override;
  void on_end(real::Connection&) override;
  void on_room(real::Connection&) override;
  void on_broken(real::Connection&, const Error&) override;

 private:
  friend class HttpServer;
  enum class At : std::uint8_t { idle, head, body, handling, answering, over };

  void proceed();
  bool read_head();
  bool accept_body(BodyPlan plan);
  bool read_body();
  bool read_whole_body();
  bool read_chunked_body();
  bool feed_sink(std::string_view piece);
  void hand_over();
  void refuse_message(int status, Error error);
  void append_head(int status, std::string_view content_type, std::string_view fields);
  void finish();
  void over(bool gently);
  bool parse_again(std::string_view bytes);
  void progress() { moved_at_ = now(); }
  Duration now() const;

  HttpServer& server_;
  real::ConnectionPointer connection_;
  std::size_t index_ = 0;  // in the server's list
  real::Peer peer_;
  At at_ = At::idle;
  Request request_;
  std::shared_ptr<Exchange> exchange_;
  std::string head_copy_;     // where a sink or decoder took the bytes behind the head
  std::string decoded_;       // a chunked body
  http::ChunkedDecoder chunks_;
  std::size_t max_body_ = 0;
  std::uint64_t body_left_ = 0;
  Duration since_, moved_at_;    // when this state began; when bytes last moved
  std::size_t last_unsent_ = 0;
  std::int64_t answer_left_ = -1;  // of a streamed answer with a length
  bool keep_alive_ = true, to_head_ = false, chunked_answer_ = false, has_body_ = false;
  bool proceeding_ = false, body_unread_ = false;
};

}  // namespace bessemer::server
