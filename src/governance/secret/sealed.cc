// AES-256-GCM by OpenSSL, HKDF by our HMAC, and the master key's file.
#include "governance/secret/sealed.h"

#include <openssl/evp.h>

#include <array>
#include <memory>

#include "base/check.h"

namespace bessemer::secret {
namespace {

constexpr std::string_view magic = "BSV1";
constexpr std::size_t key_size = 32, nonce_size = 12, tag_size = 16;
constexpr std::size_t overhead = magic.size() + nonce_size + tag_size;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}
int length_of(std::string_view text) {
  check(text.size() < (1u << 30), "secret: too long for one call");
  return static_cast<int>(text.size());
}
std::string_view view(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.bytes.data()), digest.bytes.size()};
}

}  // namespace

Secret derive_key(std::string_view master, std::string_view salt, std::string_view info) {
  const Digest extracted = hmac_sha256(salt, master);
  const Digest expanded = hmac_sha256(view(extracted), std::string(info) + '\x01');
  return Secret(std::string(view(expanded)));
}

std::string seal(const Secret& key, std::string_view bound, std::string_view plain,
                 world::Entropy& entropy) {
  check(key.reveal().size() == key_size, "secret: a key of the wrong size");
  std::array<std::byte, nonce_size> nonce{};
  entropy.fill(nonce);
  std::string blob(magic);
  blob.append(reinterpret_cast<const char*>(nonce.data()), nonce.size());
  blob.resize(overhead + plain.size());
  const Cipher cipher(EVP_CIPHER_CTX_new());
  check(cipher != nullptr, "secret: no cipher context");
  unsigned char* out = bytes_of(blob) + magic.size() + nonce_size;
  int written = 0;
  const bool ok =
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key.reveal()),
                         reinterpret_cast<const unsigned char*>(nonce.data())) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &written, bytes_of(bound), length_of(bound)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), out, &written, bytes_of(plain), length_of(plain)) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), out + plain.size(), &written) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, tag_size, out + plain.size()) == 1;
  check(ok, "secret: the cipher failed");
  return blob;
}

Result<Secret> unseal(const Secret& key, std::string_view bound, std::string_view blob) {
  check(key.reveal().size() == key_size, "secret: a key of the wrong size");
  const auto refuse = [] {
    return invalid("the sealed value was altered, or sealed for another place or key")
        .because("not_authentic");
  };
  if (blob.size() < overhead || !blob.starts_with(magic)) return refuse();
  const std::string_view nonce = blob.substr(magic.size(), nonce_size);
  const std::string_view text =
      blob.substr(magic.size() + nonce_size, blob.size() - overhead);
  std::string tag(blob.substr(blob.size() - tag_size));
  const Cipher cipher(EVP_CIPHER_CTX_new());
  check(cipher != nullptr, "secret: no cipher context");
  std::string plain(text.size(), '\0');
  int written = 0;
  unsigned char spare[tag_size];  // GCM writes nothing at the end
  const bool ok =
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key.reveal()),
                         bytes_of(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &written, bytes_of(bound), length_of(bound)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes_of(plain), &written, bytes_of(text),
                        length_of(text)) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, tag_size, bytes_of(tag)) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), spare, &written) == 1;
  Secret opened(std::move(plain));  // wiped also when it is not authentic
  if (!ok) return refuse();
  return opened;
}

Result<MasterKey> MasterKey::open(world::Disk& disk, world::Entropy& entropy,
                                  std::string_view path) {
  if (!disk.exists(path)) {
    const std::size_t slash = path.rfind('/');
    const std::string folder(slash == std::string_view::npos ? "" : path.substr(0, slash));
    if (const auto sealed = disk.list(folder + "/sealed"); sealed && !sealed->empty()) {
      return invalid(std::string(path) + " is missing, and without it nothing sealed will open")
          .fix("restore it from a backup");
    }
    std::array<std::byte, key_size> random{};
    entropy.fill(random);
    Secret fresh(std::string(reinterpret_cast<const char*>(random.data()), random.size()));
    if (!folder.empty()) TRY(disk.make_directories(folder));
    TRY(world::replace_file(disk, path, fresh.reveal()));
    return MasterKey(std::move(fresh));
  }
  TRY_ASSIGN(std::string bytes, world::read_file(disk, path, 2 * key_size));
  Secret kept(std::move(bytes));
  if (kept.reveal().size() != key_size) {
    return invalid(std::string(path) + " is no master key: it must have " +
                   std::to_string(key_size) + " bytes").fix("restore it from a backup");
  }
  return MasterKey(std::move(kept));
}

Secret MasterKey::derived(std::string_view purpose, std::string_view owner) const {
  // Length first, so that no purpose and owner run into another pair.
  return derive_key(bytes_.reveal(), "bessemer sealed store v1",
                    std::to_string(purpose.size()) + ":" + std::string(purpose) +
                        std::string(owner));
}

}  // namespace bessemer::secret
