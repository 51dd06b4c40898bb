// Server-sent events (WHATWG HTML section 9.2): writing them, and taking a stream apart.
#include "application/http/sse.h"

#include "base/check.h"

namespace bessemer::http {
namespace {

constexpr auto npos = std::string_view::npos;

// Where the first CR or LF stands. Two searches for one character each: find_first_of looks every
// character up on its own.
std::size_t find_line_end(std::string_view text, std::size_t from = 0) {
  const auto feed = text.find('\n', from);
  const auto before = text.substr(0, feed);
  const auto back = from < before.size() ? before.find('\r', from) : npos;
  return back != npos ? back : feed;
}

bool one_line(std::string_view text) { return find_line_end(text) == npos; }

// Takes one line from the front; its end may be LF, CRLF or CR.
std::string_view take_line(std::string_view& in) {
  const auto end = find_line_end(in);
  const auto line = in.substr(0, end);
  if (end == npos) {
    in = {};
  } else {
    const bool two = in[end] == '\r' && end + 1 < in.size() && in[end + 1] == '\n';
    in.remove_prefix(end + (two ? 2 : 1));
  }
  return line;
}

}  // namespace

void append_event(std::string& out, std::string_view name, std::string_view id,
                  std::string_view data) {
  check(one_line(name) && one_line(id), "sse: a line end in a name or id");
  if (!id.empty()) out.append("id: ").append(id).append("\n");
  if (!name.empty()) out.append("event: ").append(name).append("\n");
  do {
    out.append("data: ").append(take_line(data)).append("\n");
  } while (!data.empty());
  out += '\n';
}

void append_comment(std::string& out, std::string_view text) {
  check(one_line(text), "sse: a line end in a comment");
  out.append(": ").append(text).append("\n\n");
}

void SseScanner::read(std::string_view raw, Event& into) {
  into = Event{};
  into.raw = raw;
  int lines = 0;
  while (!raw.empty()) {
    const auto line = take_line(raw);
    const auto colon = line.find(':');
    if (line.empty() || colon == 0) continue;  // the blank line, a comment
    const auto field = line.substr(0, colon);
    auto value = colon == npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") into.name = value;
    if (field == "id") into.id = value;
    if (field != "data") continue;
    if (lines == 0) {
      into.data = value;
    } else {
      if (lines == 1) joined_ = into.data;
      joined_.append("\n").append(value);
    }
    ++lines;
  }
  if (lines > 1) into.data = joined_;
  into.has_data = lines > 0;
}

SseScanner::Step SseScanner::next(std::string_view buffer, Event& into) {
  while (true) {
    const auto end = find_line_end(buffer, looked_);
    if (end == npos || (buffer[end] == '\r' && end + 1 == buffer.size())) {
      // A CR at the very end may be half of a CRLF.
      looked_ = end == npos ? buffer.size() : end;
      return buffer.size() > max_event_bytes ? Step::refused : Step::more;
    }
    const bool blank = end == line_;
    looked_ = end + (buffer[end] == '\r' && buffer[end + 1] == '\n' ? 2 : 1);
    line_ = looked_;
    if (!blank) continue;
    if (looked_ > max_event_bytes) return Step::refused;
    read(buffer.substr(0, looked_), into);
    looked_ = line_ = 0;
    return Step::event;
  }
}

bool SseScanner::last(std::string_view buffer, Event& into) {
  if (buffer.empty()) return false;
  looked_ = line_ = 0;
  read(buffer, into);
  return true;
}

}  // namespace bessemer::http
