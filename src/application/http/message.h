// HTTP/1.1 messages as views of the bytes they arrived in.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace bessemer::http {

constexpr std::size_t max_head_bytes = 16 * 1024;   // request or status line and all fields
constexpr std::size_t max_target_bytes = 8 * 1024;  // of a request line
constexpr std::size_t max_fields = 80;

enum class Method : std::uint8_t { get, head, post, put, patch, del, options, other };
std::string_view to_text(Method method);

// How a message's body ends.
enum class Framing : std::uint8_t {
  none,         // there is no body
  length,       // after content_length bytes
  chunked,      // after the last chunk
  until_close,  // when the peer closes (responses only)
};

struct Field {
  std::string_view name, value;
};

// The fields of a head in their order. Names compare without regard to case.
class Fields {
 public:
  // False when there are too many.
  bool add(Field field);
  // The first field of that name. `name` is in lower case.
  std::optional<std::string_view> find(std::string_view name) const;
  const Field* begin() const { return all_.data(); }
  const Field* end() const { return all_.data() + count_; }
  std::size_t size() const { return count_; }
  void clear() { count_ = 0; }

 private:
  std::array<Field, max_fields> all_;
  std::size_t count_ = 0;
};

// Everything points into the buffer that was parsed, and is valid as long as that is.
struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;  // as sent
  std::string_view path;    // "/a/b", still percent-encoded; "*" for OPTIONS *
  std::string_view query;   // after '?', still encoded
  Fields fields;
  int minor_version = 1;    // HTTP/1.<minor>
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  bool expects_continue = false;
  std::size_t bytes = 0;    // of the head, including the blank line
};

struct ResponseHead {
  int status = 0;
  int minor_version = 1;
  std::string_view reason;
  Fields fields;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;
  bool keep_alive = true;
  std::size_t bytes = 0;
};

// ASCII only; HTTP has no other letters in names.
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace bessemer::http
