// What travels on a connection that was upgraded into a running task: frames of bytes.
//
// frame = u8 kind, u32 length (big-endian), bytes. Either side may send at any time after the 101.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace bessemer::http {

constexpr std::string_view task_protocol = "bessemer-task/1";  // as `upgrade` names it
constexpr std::size_t max_frame_bytes = 64 * 1024;             // of one frame, without its head

enum class FrameKind : std::uint8_t {
  data,     // to the task: standard input; from it: standard output. Of a port: its bytes
  errors,   // from the task: standard error
  end,      // the sender's `data` is over; empty
  resize,   // to the task: u16 rows, u16 columns, big-endian
  exit,     // from the task, the last frame: u8 exit code
  refused,  // from the factory, the last frame: why, in words
};
constexpr std::uint8_t frame_kinds = 6;

struct Frame {
  FrameKind kind = FrameKind::data;
  std::string_view bytes;
};

// Appends `bytes` as one frame, or as several where they are more than one holds.
void append_frame(std::string& out, FrameKind kind, std::string_view bytes = {});

enum class FrameStep : std::uint8_t { frame, more, refused };
// Takes a whole frame from the front of `in`; its bytes are views into it. `refused`: an unknown
// kind or too long: whatever follows cannot be read.
FrameStep take_frame(std::string_view& in, Frame& into);

struct WindowSize {
  std::uint16_t rows = 24, columns = 80;
  friend bool operator==(const WindowSize&, const WindowSize&) = default;
};
std::string window_bytes(const WindowSize& size);
// False when the bytes are none.
bool read_window(std::string_view bytes, WindowSize& into);

}  // namespace bessemer::http
