// One request to a replica and its answer, with the tries that may be needed.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "application/gateway/upstream.h"
#include "application/http/chunked.h"
#include "application/http/message.h"

namespace bessemer::gateway {

constexpr int max_tries = 2;  // on different replicas, where there are; only before the answer

struct UpstreamTimeouts {
  Duration first_byte = seconds(300);  // also bounds connecting
  Duration stall = seconds(120);       // between bytes of an answer
};

// Told about the answer. Each of these may cancel the call.
struct UpstreamUser {
  virtual ~UpstreamUser() = default;
  // The final status (never 1xx) and the content type. Once.
  virtual void on_head(int status, std::string_view content_type) = 0;
  virtual void on_piece(std::string_view piece) = 0;
  // The body was read to its end.
  virtual void on_complete() = 0;
  // No answer, or not all of it: on_head may have come.
  virtual void on_failed(const Error& why) = 0;
};

class UpstreamCall final : public std::enable_shared_from_this<UpstreamCall>,
                           real::ConnectionUser {
 public:
  // `bytes` is the whole request, kept until its answer begins.
  static std::shared_ptr<UpstreamCall> start(real::Loop& loop,
                                             std::vector<std::shared_ptr<Upstream>> replicas,
                                             std::string bytes, UpstreamUser& user,
                                             const UpstreamTimeouts& timeouts);
  ~UpstreamCall() override;

  // Ends the call at once: the replica sees its connection close. Nothing more is told.
  void cancel();
  // Back-pressure.
  void pause();
  void resume();

 private:
  UpstreamCall(real::Loop& loop, std::vector<std::shared_ptr<Upstream>> replicas,
               std::string bytes, UpstreamUser& user, const UpstreamTimeouts& timeouts);
  void attempt(Upstream::Kind kind);
  void got_line(Result<Line> line, int number);
  void failed(const Error& why);
  void finish(bool reusable);
  void watch();
  bool read_head();
  bool read_body();
  void release();
  void on_input(real::Connection& connection) override;
  void on_end(real::Connection& connection) override;
  void on_broken(real::Connection& connection, const Error& why) override;

  real::Loop& loop_;
  std::vector<std::shared_ptr<Upstream>> replicas_;
  std::string bytes_;
  UpstreamUser* user_;
  UpstreamTimeouts timeouts_;
  std::shared_ptr<Upstream> upstream_;
  real::ConnectionPointer connection_;
  int tries_ = 0, number_ = 0;     // number_: of the attempt under way
  bool used_before_ = false, anything_came_ = false, head_read_ = false;
  http::Framing framing_ = http::Framing::none;
  std::uint64_t left_ = 0;
  bool keep_alive_ = false, paused_ = false;
  http::ChunkedDecoder chunks_;
  real::Loop::Timer timer_ = 0;
  Duration moved_;
};

}  // namespace bessemer::gateway
