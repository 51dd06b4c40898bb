// Counts what a streamed answer delivers, event by event, and hides what was not asked for.
#include "application/gateway/event_meter.h"

#include <algorithm>

namespace bessemer::gateway {
namespace {

constexpr std::uint64_t least_bytes_per_token = 2;  // of ordinary text, for a cautious bound
constexpr std::size_t compact_at = 64 * 1024;

}  // namespace

EventMeter::Step EventMeter::next() {
  if (looked_) return *looked_;
  if (taken_ == buffer_.size()) {
    buffer_.clear();
    taken_ = 0;
  } else if (taken_ > compact_at) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  buffer_.reserve(buffer_.size() + spare_bytes);
  http::SseScanner::Event event;
  switch (scanner_.next(std::string_view(buffer_).substr(taken_), event)) {
    case http::SseScanner::Step::more: return Step::more;
    case http::SseScanner::Step::refused: return Step::refused;
    case http::SseScanner::Step::event: break;
  }
  raw_ = event.raw.size();
  looked_ = read(event);
  return *looked_;
}

EventMeter::Step EventMeter::read(const http::SseScanner::Event& event) {
  text_.assign(event.raw);
  if (!event.has_data) {
    if (relay_ == Relay::data) text_.clear();
    return Step::event;
  }
  if (event.data == "[DONE]") return Step::done;
  // Data of one line lies in the buffer, with spare bytes behind it; of several, in a copy.
  std::string copy;
  auto data = event.data;
  const bool in_place =
      data.data() >= buffer_.data() && data.data() < buffer_.data() + buffer_.size();
  if (!in_place) {
    copy.reserve(data.size() + spare_bytes);
    copy.assign(data);
    data = copy;
  }
  const auto told = read_answer(data);
  if (told.is_error) return Step::error;
  if (told.usage) usage_ = told.usage;
  content_bytes_ += told.content_bytes;
  if (told.has_choices) ++chunks_;
  if (relay_ == Relay::data) {
    text_.assign(data);
    return Step::event;
  }
  const bool wants_usage = relay_ == Relay::events_with_usage;
  const bool only_usage = !told.has_choices && told.usage;
  if (only_usage && !wants_usage) text_.clear();
  const bool hides = told.usage_at && !only_usage && (told.usage || !wants_usage);
  if (hides && in_place) {
    text_ = "data: " + without_usage(data, told) + "\n\n";
    if (!event.name.empty()) text_.insert(0, "event: " + std::string(event.name) + "\n");
  }
  return Step::event;
}

void EventMeter::take() {
  taken_ += raw_;
  raw_ = 0;
  looked_.reset();
  text_.clear();
}

void EventMeter::finish() {
  if (taken_ < buffer_.size()) buffer_ += "\n\n";
}

std::uint64_t EventMeter::output_bound() const {
  if (usage_) return usage_->output + usage_->reasoning;
  const auto by_bytes = (content_bytes_ + least_bytes_per_token - 1) / least_bytes_per_token;
  return std::max(chunks_, by_bytes);
}

}  // namespace bessemer::gateway
