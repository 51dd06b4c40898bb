// Frames of an upgraded connection.
#include "application/http/frame.h"

#include <algorithm>

namespace bessemer::http {
namespace {

constexpr std::size_t head_bytes = 5;

char byte_of(std::size_t value, int shift) {
  return static_cast<char>(static_cast<unsigned char>(value >> shift));
}

std::size_t number_at(std::string_view bytes, std::size_t at, std::size_t width) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

}  // namespace

void append_frame(std::string& out, FrameKind kind, std::string_view bytes) {
  do {
    const std::string_view piece = bytes.substr(0, max_frame_bytes);
    out += static_cast<char>(kind);
    for (const int shift : {24, 16, 8, 0}) out += byte_of(piece.size(), shift);
    out += piece;
    bytes.remove_prefix(piece.size());
  } while (!bytes.empty());
}

FrameStep take_frame(std::string_view& in, Frame& into) {
  if (in.empty()) return FrameStep::more;
  const auto kind = static_cast<unsigned char>(in.front());
  if (kind >= frame_kinds) return FrameStep::refused;
  if (in.size() < head_bytes) return FrameStep::more;
  const std::size_t length = number_at(in, 1, 4);
  if (length > max_frame_bytes) return FrameStep::refused;
  if (in.size() < head_bytes + length) return FrameStep::more;
  into.kind = static_cast<FrameKind>(kind);
  into.bytes = in.substr(head_bytes, length);
  in.remove_prefix(head_bytes + length);
  return FrameStep::frame;
}

std::string window_bytes(const WindowSize& size) {
  return {byte_of(size.rows, 8), byte_of(size.rows, 0), byte_of(size.columns, 8),
          byte_of(size.columns, 0)};
}

bool read_window(std::string_view bytes, WindowSize& into) {
  if (bytes.size() != 4) return false;
  into.rows = static_cast<std::uint16_t>(number_at(bytes, 0, 2));
  into.columns = static_cast<std::uint16_t>(number_at(bytes, 2, 2));
  return true;
}

}  // namespace bessemer::http
