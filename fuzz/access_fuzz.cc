// Keys, scopes, paths, addresses and sealed blobs from strangers: no crash, and one spelling each.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/check.h"
#include "governance/access/access.h"
#include "governance/access/key.h"
#include "governance/audit/audit.h"
#include "governance/secret/masker.h"
#include "governance/secret/sealed.h"
#include "governance/tenant/tenant.h"

using namespace bessemer;

namespace {

// However a text is cut in two, the masker shows the same, and never the value.
void mask(std::string_view text) {
  if (text.size() < 8) return;
  const std::size_t size = 4 + static_cast<unsigned char>(text[0]) % 4;
  const std::string value(text.substr(1, size));
  const std::string_view log = text.substr(1 + size);
  const std::size_t cut = log.empty() ? 0 : static_cast<unsigned char>(text[0]) % log.size();
  secret::Masker masker;
  masker.add(Secret(value));
  std::string whole = masker.feed(log);
  whole += masker.finish();
  std::string parts = masker.feed(log.substr(0, cut));
  parts += masker.feed(log.substr(cut));
  parts += masker.finish();
  check(whole == parts);
  check(value.find('*') != std::string::npos || whole.find(value) == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto scope = from_text(std::type_identity<access::Scope>{}, text)) {
    check(to_text(*scope) == text);
  }
  if (access::hash_key(text)) check(text.size() == access::key_characters);
  check(!audit::network_of(text).empty());
  static const tenant::State tree;
  if (const auto node = tenant::resolve(tree, text)) check(*node == tenant::root);
  const Secret key(std::string(32, 'k'));
  check(!secret::unseal(key, "here", text));
  mask(text);
  return 0;
}
