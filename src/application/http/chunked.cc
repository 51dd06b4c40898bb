// The chunked transfer coding (RFC 9112 section 7.1).
#include "application/http/chunked.h"

#include <algorithm>

#include "application/http/characters.h"
#include "base/check.h"

namespace bessemer::http {

ChunkedDecoder::Step ChunkedDecoder::refuse(const char* why) {
  at_ = At::refused;
  why_ = why;
  return Step::refused;
}

// One byte of the line with the chunk's size. False: refused.
bool ChunkedDecoder::size_byte(char c) {
  if (++line_ > max_chunk_line_bytes) return refuse("a chunk's line is too long"), false;
  if (at_ == At::size_lf) {
    if (c != '\n') return refuse("a bare CR in a chunk's line"), false;
    at_ = left_ == 0 ? At::trailer : At::data;
    line_ = 0;
    digits_ = 0;
    return true;
  }
  const int digit = at_ == At::size ? hex_value(c) : -1;
  if (digit >= 0) {
    left_ = left_ * 16 + static_cast<unsigned>(digit);
    if (++digits_ > 16 || left_ > max_chunk_bytes) return refuse("a chunk is too large"), false;
    return true;
  }
  if (digits_ == 0) return refuse("a chunk without a size"), false;
  if (c == '\r') {
    at_ = At::size_lf;
  } else if (at_ == At::size && c == ';') {
    at_ = At::extension;
  } else if (at_ == At::size || !is_text_char(c)) {
    return refuse("a bad chunk size"), false;
  }
  return true;
}

// One byte of the trailers, which are checked, bounded and dropped. False: refused.
bool ChunkedDecoder::trailer_byte(char c) {
  if (++line_ > max_trailer_bytes) return refuse("the trailers are too long"), false;
  switch (at_) {
    case At::trailer:
      if (c == '\r') {
        at_ = At::last_lf;
      } else if (!is_token_char(c)) {
        return refuse("a bad trailer"), false;
      } else {
        at_ = At::trailer_name;
      }
      return true;
    case At::trailer_name:
      if (c == ':') {
        at_ = At::trailer_line;
      } else if (!is_token_char(c)) {
        return refuse("a bad trailer"), false;
      }
      return true;
    case At::trailer_line:
      if (c == '\r') {
        at_ = At::trailer_lf;
      } else if (!is_text_char(c)) {
        return refuse("a control character in a trailer"), false;
      }
      return true;
    default:  // a line feed is due
      if (c != '\n') return refuse("a bare CR in the trailers"), false;
      at_ = at_ == At::last_lf ? At::done : At::trailer;
      return true;
  }
}

ChunkedDecoder::Step ChunkedDecoder::next(std::string_view& in, std::string_view& piece) {
  while (at_ != At::done && at_ != At::refused) {
    if (in.empty()) return Step::more;
    if (at_ == At::data) {
      const auto n = std::min<std::uint64_t>(left_, in.size());
      piece = in.substr(0, n);
      in.remove_prefix(n);
      left_ -= n;
      if (left_ == 0) at_ = At::data_cr;
      return Step::data;
    }
    const char c = in.front();
    in.remove_prefix(1);
    switch (at_) {
      case At::data_cr:
        if (c != '\r') return refuse("a chunk longer than its size");
        at_ = At::data_lf;
        break;
      case At::data_lf:
        if (c != '\n') return refuse("a bare CR after a chunk");
        at_ = At::size;
        break;
      case At::size:
      case At::extension:
      case At::size_lf:
        if (!size_byte(c)) return Step::refused;
        break;
      default:
        if (!trailer_byte(c)) return Step::refused;
    }
  }
  return at_ == At::done ? Step::done : Step::refused;
}

void append_chunk(std::string& out, std::string_view data) {
  check(!data.empty(), "an empty chunk would end the body");
  char digits[16];
  std::size_t n = 0;
  for (auto left = data.size(); left > 0; left /= 16) digits[n++] = "0123456789abcdef"[left % 16];
  while (n > 0) out += digits[--n];
  out += "\r\n";
  out += data;
  out += "\r\n";
}

}  // namespace bessemer::http
