// Counts what a streamed answer delivers, event by event, and hides what was not asked for.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "application/gateway/openai_answer.h"
#include "application/http/sse.h"

namespace bessemer::gateway {

// What a caller gets of an engine's events.
enum class Relay : std::uint8_t {
  events,             // all of them, without the usage that only we asked for
  events_with_usage,  // the caller asked for the usage at the end of the stream
  data,               // their data alone, whole: to be put together
};

class EventMeter {
 public:
  explicit EventMeter(Relay relay) : relay_(relay) {}

  // Bytes of the engine's stream, in any pieces.
  void feed(std::string_view bytes) { buffer_ += bytes; }

  enum class Step : std::uint8_t {
    more,     // no whole event
    event,    // `text()` is to be relayed; may be empty (hidden, or a comment)
    error,    // an event that says the engine has failed; `text()` holds it
    done,     // the end of the stream; `text()` holds the event
    refused,  // an event without end
  };
  // Looks at the next event and counts it, but leaves it: take() goes on. Asked again without
  // take(), it gives the same.
  Step next();
  void take();
  std::string_view text() const { return text_; }
  // At the end of the bytes: what is left without its blank line becomes an event of its own.
  void finish();

  // The engine's own count as of the events looked at, if it has given one.
  const std::optional<metering::Counts>& usage() const { return usage_; }
  // Chunks with content: no more than the tokens produced.
  std::uint64_t chunks() const { return chunks_; }
  std::uint64_t content_bytes() const { return content_bytes_; }
  // At most this many output tokens have been produced, as far as one can tell.
  std::uint64_t output_bound() const;

 private:
  Step read(const http::SseScanner::Event& event);

  Relay relay_;
  std::string buffer_;
  std::size_t taken_ = 0;  // of the buffer
  http::SseScanner scanner_;
  std::optional<Step> looked_;
  std::size_t raw_ = 0;    // bytes of the event looked at
  std::string text_;
  std::optional<metering::Counts> usage_;
  std::uint64_t chunks_ = 0, content_bytes_ = 0;
};

}  // namespace bessemer::gateway
