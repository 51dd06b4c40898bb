// Frames of the control socket.
#include "application/control/messages.h"

#include "base/check.h"

namespace bessemer::control {
namespace {

constexpr std::size_t length_bytes = 4;

template <class Message>
void append(std::string& out, const Message& message) {
  const auto start = out.size();
  out.append(length_bytes, '\0');
  codec::encode(out, message);  // a variant begins with its index: the kind
  const auto length = out.size() - start - length_bytes;
  check(length <= max_message_bytes, "control: a message that is too long");
  const auto narrow = static_cast<std::uint32_t>(length);
  std::memcpy(out.data() + start, &narrow, length_bytes);
}

}  // namespace

void append_message(std::string& out, const FromGateway& message) { append(out, message); }
void append_message(std::string& out, const FromDaemon& message) { append(out, message); }

template <class Message>
Result<std::optional<Message>> take_message(std::string_view& in) {
  if (in.size() < length_bytes) return std::optional<Message>{};
  std::uint32_t length = 0;
  std::memcpy(&length, in.data(), length_bytes);
  if (length == 0 || length > max_message_bytes) {
    return invalid("a control message of " + std::to_string(length) + " bytes");
  }
  if (in.size() - length_bytes < length) return std::optional<Message>{};
  auto message = codec::decode<Message>(in.substr(length_bytes, length));
  if (!message) return std::move(message).error().during("reading a control message");
  in.remove_prefix(length_bytes + length);
  return std::optional<Message>(*std::move(message));
}

template Result<std::optional<FromGateway>> take_message<FromGateway>(std::string_view&);
template Result<std::optional<FromDaemon>> take_message<FromDaemon>(std::string_view&);

}  // namespace bessemer::control
