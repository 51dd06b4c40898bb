// The keys a gateway knows, by the SHA-256 of their text.
#pragma once
#include <cstring>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "application/control/configuration.h"
#include "base/result.h"

namespace bessemer::gateway {

using control::KeyEntry;
using Caller = std::shared_ptr<const KeyEntry>;

// Whether the control plane can be asked right now: it decides what a key never seen means.
enum class ControlPlane : std::uint8_t { connected, away };

class KeyRing {
 public:
  void replace(const std::vector<KeyEntry>& keys);
  void change(const std::vector<KeyEntry>& keys, const std::vector<KeyId>& gone);

  // Whose request this is, by its Authorization field. Errors: unauthenticated (none, malformed,
  // unknown, expired, revoked); unavailable (never seen, and nobody can be asked).
  Result<Caller> find(std::string_view authorization, Instant now, ControlPlane plane) const;
  // The key as it is now; null when it is unknown, revoked or expired.
  Caller living(KeyId id, Instant now) const;
  std::size_t size() const { return by_hash_.size(); }

 private:
  struct First8 {
    std::size_t operator()(const Digest& digest) const {
      std::size_t out = 0;  // SHA-256 is as good a hash as there is
      std::memcpy(&out, digest.bytes.data(), sizeof out);
      return out;
    }
  };
  struct Low {
    std::size_t operator()(const KeyId& id) const { return id.low; }
  };
  void put(const KeyEntry& entry);
  void drop(KeyId id);

  std::unordered_map<Digest, Caller, First8> by_hash_;
  std::unordered_map<KeyId, Digest, Low> hash_of_;
};

// May this key call the model of that name? Errors: forbidden, saying what is missing.
Result<void> may_call(const KeyEntry& key, std::string_view model);

}  // namespace bessemer::gateway
