// SHA-256 and HMAC by OpenSSL.
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstring>

#include "base/check.h"
#include "base/text.h"

namespace bessemer {

std::string to_text(const Digest& digest) {
  if (!digest) return {};
  return to_hex({reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()});
}

Result<Digest> from_text(std::type_identity<Digest>, std::string_view text) {
  Digest digest;
  if (text.empty()) return digest;
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != digest.bytes.size()) {
    return invalid("must be a SHA-256 digest: 64 hexadecimal digits");
  }
  std::memcpy(digest.bytes.data(), bytes->data(), digest.bytes.size());
  return digest;
}

namespace {
// Fetched once: a fetch per digest costs more than a short digest itself.
const EVP_MD* sha256_method() {
  static const EVP_MD* const method = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  check(method != nullptr, "OpenSSL has no SHA-256");
  return method;
}
}  // namespace

struct Sha256::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  Context() { start(); }
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  void start() { check(EVP_DigestInit_ex2(md, sha256_method(), nullptr) == 1); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::string_view bytes) {
  check(EVP_DigestUpdate(context_->md, bytes.data(), bytes.size()) == 1);
}

Digest Sha256::finish() {
  Digest digest;
  check(EVP_DigestFinal_ex(context_->md, digest.bytes.data(), nullptr) == 1);
  context_->start();
  return digest;
}

Digest sha256(std::string_view bytes) {
  thread_local Sha256 hasher;
  hasher.add(bytes);
  return hasher.finish();
}

Digest hmac_sha256(std::string_view key, std::string_view bytes) {
  Digest digest;
  unsigned size = 0;
  check(HMAC(sha256_method(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
             digest.bytes.data(), &size) != nullptr);
  check(size == digest.bytes.size());
  return digest;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace bessemer
