// The binary form of the state.
#include "application/factory/state.h"

#include "base/codec.h"
#include "base/schema.h"

namespace bessemer::factory {

std::string encode_state(const State& state) { return codec::encode(state); }

Result<State> decode_state(std::string_view bytes) {
  auto state = codec::decode<State>(bytes);
  if (!state) return std::move(state).error().during("reading a snapshot");
  return state;
}

const Digest& state_schema() {
  static const Digest digest = sha256("state 1\n" + json::schema<State>());
  return digest;
}

}  // namespace bessemer::factory
