// A small blocking HTTP/1.1 client over TCP or a unix socket, for command lines and tests.
#include "application/server/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "application/http/parse.h"
#include "application/http/write.h"

namespace bessemer::server {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;  // read or uploaded at once

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  return out;
}

int patience_ms(Duration patience) {
  return patience.ns <= 0 ? -1 : static_cast<int>((patience.ns + 999'999) / 1'000'000);
}

Error broken_off(int error_number) {
  return unavailable(std::string("the connection broke: ") + std::strerror(error_number));
}

// Waits until the socket is ready for `events`.
Result<void> wait_for(const real::Descriptor& socket, short events, Duration patience) {
  pollfd waiting{socket.get(), events, 0};
  int ready = 0;
  do {
    ready = ::poll(&waiting, 1, patience_ms(patience));
  } while (ready < 0 && errno == EINTR);
  if (ready < 0) return broken_off(errno);
  if (ready == 0) return unavailable("the server did not answer within " + to_text(patience));
  return {};
}

}  // namespace

const std::string* ClientAnswer::find(std::string_view name) const {
  for (const auto& [key, value] : fields) {
    if (key == name) return &value;
  }
  return nullptr;
}

BlockingClient::BlockingClient(real::Address address, Duration patience)
    : address_(std::move(address)), patience_(patience) {}

Result<ClientAnswer> BlockingClient::call(const ClientRequest& request) {
  return exchange(request, nullptr, 0, nullptr);
}

Result<ClientAnswer> BlockingClient::call(const ClientRequest& request, AnswerSink& sink) {
  return exchange(request, nullptr, 0, &sink);
}

Result<ClientAnswer> BlockingClient::upload(const ClientRequest& request, BodySource& source,
                                            std::int64_t length) {
  return exchange(request, &source, length, nullptr);
}

BlockingClient::Released BlockingClient::release() {
  return {std::move(socket_), std::exchange(buffer_, {})};
}

Result<void> BlockingClient::connect() {
  if (socket_) return {};
  buffer_.clear();
  fresh_ = true;
  const auto patience = patience_.ns > 0 ? patience_ : seconds(10);
  TRY_ASSIGN(socket_, real::connect_to(address_, real::Blocking::no, patience));
  return wait_for(socket_, POLLOUT, patience);
}

// Sends everything; stops early, without an error, when the server has begun to answer: it has
// refused the body and reads no more of it.
Result<void> BlockingClient::send_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      TRY(wait_for(socket_, POLLOUT | POLLIN, patience_));
      char peek = 0;
      if (::recv(socket_.get(), &peek, 1, MSG_PEEK | MSG_DONTWAIT) >= 0) return {};
      TRY(wait_for(socket_, POLLOUT, patience_));
    } else if (errno != EINTR) {
      return broken_off(errno);
    }
  }
  return {};
}

// Appends what comes next to the buffer; 0 at the end.
Result<std::size_t> BlockingClient::receive() {
  while (true) {
    const auto before = buffer_.size();
    buffer_.resize(before + piece_bytes);
    const auto got = ::recv(socket_.get(), buffer_.data() + before, piece_bytes, MSG_DONTWAIT);
    const int error = errno;
    buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got >= 0) {
      anything_came_ = anything_came_ || got > 0;
      return static_cast<std::size_t>(got);
    }
    if (error != EAGAIN && error != EINTR) return broken_off(error);
    TRY(wait_for(socket_, POLLIN, patience_));
  }
}

std::string BlockingClient::head_of(const ClientRequest& request, bool has_source,
                                    std::int64_t length) const {
  std::string head;
  http::append_request_line(head, request.method, request.target);
  http::append_field(head, "host", address_.is_unix() ? "localhost" : to_text(address_));
  for (const auto& [name, value] : request.fields) http::append_field(head, name, value);
  if (has_source && length < 0) {
    http::append_field(head, "transfer-encoding", "chunked");
  } else if (has_source) {
    http::append_field(head, "content-length", static_cast<std::uint64_t>(length));
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    http::append_field(head, "content-length", request.body.size());
  }
  http::end_head(head);
  return head;
}

Result<void> BlockingClient::send_body(BodySource& source, std::int64_t length) {
  std::string piece(piece_bytes, '\0'), chunk;
  std::int64_t sent = 0;
  while (true) {
    TRY_ASSIGN(const std::size_t got, source.read({piece.data(), piece.size()}));
    if (got == 0) break;
    sent += static_cast<std::int64_t>(got);
    if (length >= 0 && sent > length) return invalid("the upload is longer than was said");
    chunk.clear();
    const std::string_view bytes(piece.data(), got);
    if (length < 0) http::append_chunk(chunk, bytes);
    TRY(send_all(length < 0 ? std::string_view(chunk) : bytes));
    // An answer before the end is a refusal: what is left would be for nothing.
    pollfd ready{socket_.get(), POLLIN, 0};
    if (::poll(&ready, 1, 0) > 0) return {};
  }
  if (length >= 0 && sent < length) return invalid("the upload is shorter than was said");
  return length < 0 ? send_all(http::last_chunk) : Result<void>{};
}

Result<ClientAnswer> BlockingClient::exchange(const ClientRequest& request, BodySource* source,
                                              std::int64_t length, AnswerSink* sink) {
  const bool safe = request.method == "GET" || request.method == "HEAD";
  for (int attempt = 0;; ++attempt) {
    TRY(connect());
    const bool reused = !fresh_;
    anything_came_ = false;
    auto head = head_of(request, source != nullptr, length);
    auto sent = send_all(source == nullptr ? head + request.body : head);
    if (sent && source != nullptr) sent = send_body(*source, length);
    if (!sent && sent.error().code != Code::unavailable) {
      socket_.reset();
      return std::move(sent).error();
    }
    // Even when sending failed, a refusal may have come.
    auto answer = read_answer(request.method == "HEAD", sink);
    if (answer) {
      fresh_ = false;
      return answer;
    }
    socket_.reset();
    // The server may have closed an idle connection in the same moment.
    if (reused && safe && !anything_came_ && attempt == 0) continue;
    return answer;
  }
}

Result<ClientAnswer> BlockingClient::read_answer(bool to_head, AnswerSink* sink) {
  http::ResponseHead head;
  while (true) {
    const auto outcome = http::parse_response(buffer_, to_head, head);
    if (outcome.state == http::Parsed::refused) {
      return invalid(std::string("the server's answer is not HTTP: ") + outcome.why);
    }
    if (outcome.state == http::Parsed::complete) {
      if (head.status >= 200 || head.status == 101) break;
      buffer_.erase(0, head.bytes);  // 100 Continue
      continue;
    }
    TRY_ASSIGN(const std::size_t got, receive());
    if (got == 0) return unavailable("the server closed the connection without an answer");
  }
  ClientAnswer answer;
  answer.status = head.status;
  for (const auto& [name, value] : head.fields) answer.fields.emplace_back(lower(name), value);
  const bool keep = head.keep_alive;
  const auto bytes = head.bytes;
  head.fields.clear();
  buffer_.erase(0, bytes);
  if (sink != nullptr && !sink->on_head(answer)) sink = nullptr;
  TRY(read_body(head, answer, sink));
  if (!keep) socket_.reset();
  return answer;
}

namespace {

Result<void> take(std::string_view piece, ClientAnswer& answer, AnswerSink* sink) {
  if (piece.empty()) return {};
  if (sink != nullptr) return sink->on_piece(piece);
  if (answer.body.size() + piece.size() > max_answer_bytes) {
    return exhausted("the server's answer is larger than " + std::to_string(max_answer_bytes) +
                     " bytes");
  }
  answer.body += piece;
  return {};
}

}  // namespace

Result<void> BlockingClient::read_body(const http::ResponseHead& head, ClientAnswer& answer,
                                       AnswerSink* sink) {
  using Step = http::ChunkedDecoder::Step;
  auto left = head.content_length;
  http::ChunkedDecoder decoder;
  bool done = head.framing == http::Framing::none;
  while (!done) {
    std::string_view in = buffer_;
    if (head.framing == http::Framing::chunked) {
      std::string_view piece;
      auto step = decoder.next(in, piece);
      for (; step == Step::data; step = decoder.next(in, piece)) TRY(take(piece, answer, sink));
      if (step == Step::refused) return invalid(decoder.why());
      done = step == Step::done;
    } else {
      const bool to_end = head.framing == http::Framing::until_close;
      const auto piece = to_end ? in : in.substr(0, std::min<std::uint64_t>(left, in.size()));
      TRY(take(piece, answer, sink));
      left -= to_end ? 0 : piece.size();
      in.remove_prefix(piece.size());
      done = !to_end && left == 0;
    }
    buffer_.erase(0, buffer_.size() - in.size());
    if (done) break;
    TRY_ASSIGN(const std::size_t got, receive());
    if (got > 0) continue;
    if (head.framing == http::Framing::until_close) break;
    return unavailable("the server closed the connection in the middle of its answer");
  }
  return {};
}

}  // namespace bessemer::server
