// Server-sent events (WHATWG HTML section 9.2): writing them, and taking a stream apart.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bessemer::http {

constexpr std::size_t max_event_bytes = 1 << 20;

// Appends one event; `name` and `id` are left out when empty. Data may hold line ends. Requires:
// `name` and `id` hold none (checked).
void append_event(std::string& out, std::string_view name, std::string_view id,
                  std::string_view data);
// Appends a comment line and a blank one: keeps a connection alive.
void append_comment(std::string& out, std::string_view text);

// Finds events in bytes that arrive in any pieces. The caller keeps the bytes in one buffer and
// gives the part that is not yet taken.
class SseScanner {
 public:
  enum class Step : std::uint8_t { more, event, refused };
  struct Event {
    std::string_view raw;   // the whole event with its blank line, as it arrived
    std::string_view name;  // empty: "message"
    std::string_view id;
    std::string_view data;  // lines joined by '\n'; a view of the buffer when it is one line
    bool has_data = false;  // false: only comments or fields
  };
  // `event`: fills `into`, valid until the next call or a change of the buffer; the caller drops
  // raw.size() bytes from the front. `more`: no whole event yet. `refused`: an event is longer than
  // max_event_bytes.
  Step next(std::string_view buffer, Event& into);
  // What is left at the end of the stream without its blank line, read as an event (the standard
  // drops it; a meter must not). Returns false when there is none.
  bool last(std::string_view buffer, Event& into);

 private:
  void read(std::string_view raw, Event& into);

  std::size_t looked_ = 0;   // bytes of the buffer already searched
  std::size_t line_ = 0;     // where the current line starts
  std::string joined_;
};

}  // namespace bessemer::http
