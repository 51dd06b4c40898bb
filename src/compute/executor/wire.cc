// Frames with a checksum, for records and spool.
#include "compute/executor/wire.h"

#include <cstring>

#include "base/digest.h"

namespace bessemer::executor::wire {

std::string frame(std::string_view bytes) {
  std::string out;
  codec::Writer to{out};
  to.size(bytes.size());
  const std::uint32_t crc = crc32c(bytes);
  to.bytes(&crc, sizeof crc);
  out += bytes;
  return out;
}

std::optional<std::string_view> unframe(std::string_view& from) {
  std::uint32_t head[2] = {};
  if (from.size() < sizeof head) return std::nullopt;
  std::memcpy(head, from.data(), sizeof head);
  if (head[0] == 0 || head[0] > from.size() - sizeof head) return std::nullopt;
  const std::string_view bytes = from.substr(sizeof head, head[0]);
  if (crc32c(bytes) != head[1]) return std::nullopt;
  from.remove_prefix(sizeof head + bytes.size());
  return bytes;
}

}  // namespace bessemer::executor::wire
