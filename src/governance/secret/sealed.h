// Authenticated encryption of small things: AES-256-GCM under keys derived from the master key.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/secret.h"
#include "world/world.h"

namespace bessemer::secret {

// HKDF-SHA-256 (RFC 5869) for one block of output: 32 bytes.
Secret derive_key(std::string_view master, std::string_view salt, std::string_view info);

// AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce: "BSV1", nonce, ciphertext, 128-bit tag.
// `bound` is authenticated and must be given again to open. Requires: a key of 32 bytes.
std::string seal(const Secret& key, std::string_view bound, std::string_view plain,
                 world::Entropy& entropy);
// Errors: invalid when the blob, the key or what it is bound to is not the one it was sealed with.
Result<Secret> unseal(const Secret& key, std::string_view bound, std::string_view blob);

// The key above all others: `secrets/master.key`, 32 bytes, mode 0600, made when it is missing.
class MasterKey {
 public:
  // Errors: invalid (a file that is no master key, or none beside values already sealed), Disk's.
  static Result<MasterKey> open(world::Disk& disk, world::Entropy& entropy,
                                std::string_view path = "secrets/master.key");
  // A key for one purpose and one owner of it, such as a tenant: one tells nothing of another.
  Secret derived(std::string_view purpose, std::string_view owner) const;

 private:
  explicit MasterKey(Secret bytes) : bytes_(std::move(bytes)) {}
  Secret bytes_;
};

}  // namespace bessemer::secret
