// The chunked transfer coding (RFC 9112 section 7.1).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace bessemer::http {

constexpr std::size_t max_chunk_line_bytes = 256;  // size and extensions
constexpr std::size_t max_trailer_bytes = 4096;
constexpr std::uint64_t max_chunk_bytes = std::uint64_t{1} << 40;

// Takes a chunked body apart as its bytes arrive, copying nothing.
class ChunkedDecoder {
 public:
  enum class Step : std::uint8_t { more, data, done, refused };
  // Takes from the front of `in`. `data`: `piece` is the next part of the body, a view of what was
  // taken; call again. `more`: everything was taken. `done`: the body and its trailers are read and
  // `in` starts with what follows.
  Step next(std::string_view& in, std::string_view& piece);
  const char* why() const { return why_; }

 private:
  enum class At : std::uint8_t {
    size, extension, size_lf, data, data_cr, data_lf, trailer, trailer_name, trailer_line,
    trailer_lf, last_lf, done, refused
  };
  Step refuse(const char* why);
  bool size_byte(char c);
  bool trailer_byte(char c);

  At at_ = At::size;
  std::uint64_t left_ = 0;     // of the chunk
  std::size_t line_ = 0;       // bytes of the size line or of all trailers
  unsigned digits_ = 0;
  const char* why_ = "";
};

// Appends one chunk. Requires: `data` is not empty (an empty chunk ends the body).
void append_chunk(std::string& out, std::string_view data);
constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace bessemer::http
