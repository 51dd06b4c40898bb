// A small blocking HTTP/1.1 client over TCP or a unix socket, for command lines and tests.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "application/http/chunked.h"
#include "application/http/message.h"
#include "base/result.h"
#include "base/time.h"
#include "world/real/socket.h"

namespace bessemer::server {

constexpr std::size_t max_answer_bytes = 256 << 20;  // held in memory by `call`

struct ClientRequest {
  std::string method = "GET";
  std::string target = "/";  // already encoded
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;
};

struct ClientAnswer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::string body;
  const std::string* find(std::string_view name) const;
};

// Gives the next bytes of an upload: fills `into`, returns how many; 0 ends it.
struct BodySource {
  virtual ~BodySource() = default;
  virtual Result<std::size_t> read(std::span<char> into) = 0;
};
// Takes the answer's body as it comes. An error stops the call and is its result.
struct AnswerSink {
  virtual ~AnswerSink() = default;
  // Before the body. Returns false to have the body collected in the answer instead.
  virtual bool on_head(const ClientAnswer&) { return true; }
  virtual Result<void> on_piece(std::string_view piece) = 0;
};

// One connection, made at the first call and kept for the next. Not for several threads.
class BlockingClient {
 public:
  // `patience` bounds connecting and each wait for bytes; zero waits for ever (event streams).
  explicit BlockingClient(real::Address address, Duration patience = seconds(60));

  // Errors: unavailable (cannot connect, broken off), invalid (not HTTP). A status is no error. A
  // kept connection that the server has closed meanwhile is made anew once, if nothing of an
  // answer has come and the method is GET or HEAD.
  Result<ClientAnswer> call(const ClientRequest& request);
  // Streams the answer's body into `sink`.
  Result<ClientAnswer> call(const ClientRequest& request, AnswerSink& sink);
  // Uploads `length` bytes from `source`; -1 when it is not known (chunked).
  Result<ClientAnswer> upload(const ClientRequest& request, BodySource& source,
                              std::int64_t length = -1);
  // Zero waits for ever.
  void set_patience(Duration patience) { patience_ = patience; }
  // Hands over the connected socket after a 101 answer or for another protocol.
  struct Released {
    real::Descriptor socket;  // does not block
    std::string received;     // what came behind the answer's head
  };
  Released release();

 private:
  Result<void> connect();
  Result<void> send_all(std::string_view bytes);
  Result<std::size_t> receive();
  Result<void> send_body(BodySource& source, std::int64_t length);
  Result<ClientAnswer> exchange(const ClientRequest& request, BodySource* source,
                                std::int64_t length, AnswerSink* sink);
  Result<ClientAnswer> read_answer(bool to_head, AnswerSink* sink);
  Result<void> read_body(const http::ResponseHead& head, ClientAnswer& answer, AnswerSink* sink);
  std::string head_of(const ClientRequest& request, bool has_source, std::int64_t length) const;

  real::Address address_;
  Duration patience_;
  real::Descriptor socket_;
  std::string buffer_;
  bool fresh_ = false;         // no answer has come on this connection yet
  bool anything_came_ = false; // of the current answer
};

}  // namespace bessemer::server
