// The keys a gateway knows, by the SHA-256 of their text.
#include "application/gateway/keys.h"

#include "application/http/message.h"
#include "governance/access/key.h"

namespace bessemer::gateway {
namespace {

constexpr std::string_view scheme = "bearer ";

Error no_key(std::string what) {
  return unauthenticated(std::move(what)).fix("send 'Authorization: Bearer <key>' with a valid "
                                              "key");
}

bool is_over(const KeyEntry& key, Instant now) {
  return key.revoked || (key.expires_at && *key.expires_at <= now);
}

}  // namespace

void KeyRing::put(const KeyEntry& entry) {
  drop(entry.id);
  by_hash_[entry.hash] = std::make_shared<const KeyEntry>(entry);
  hash_of_[entry.id] = entry.hash;
}

void KeyRing::drop(KeyId id) {
  const auto found = hash_of_.find(id);
  if (found == hash_of_.end()) return;
  by_hash_.erase(found->second);
  hash_of_.erase(found);
}

void KeyRing::replace(const std::vector<KeyEntry>& keys) {
  by_hash_.clear();
  hash_of_.clear();
  for (const auto& key : keys) put(key);
}

void KeyRing::change(const std::vector<KeyEntry>& keys, const std::vector<KeyId>& gone) {
  for (const auto& id : gone) drop(id);
  for (const auto& key : keys) put(key);
}

Result<Caller> KeyRing::find(std::string_view authorization, Instant now,
                             ControlPlane plane) const {
  if (authorization.empty()) return no_key("no API key was given");
  if (authorization.size() <= scheme.size() ||
      !http::equal_ignoring_case(authorization.substr(0, scheme.size()), scheme)) {
    return no_key("the Authorization field is not 'Bearer <key>'");
  }
  auto hash = access::hash_key(authorization.substr(scheme.size()));
  if (!hash) return std::move(hash).error();
  const auto found = by_hash_.find(*hash);
  if (found == by_hash_.end()) {
    if (plane == ControlPlane::connected) return no_key("this API key is not known");
    return unavailable("this API key has not been seen before, and nobody can be asked about it "
                       "now").because("control_plane_away").retried(Retry::later, seconds(2).ns);
  }
  if (found->second->revoked) return no_key("this API key has been revoked");
  if (is_over(*found->second, now)) {
    return no_key("this API key expired at " + to_text(*found->second->expires_at));
  }
  return found->second;
}

Caller KeyRing::living(KeyId id, Instant now) const {
  const auto hash = hash_of_.find(id);
  if (hash == hash_of_.end()) return nullptr;
  const auto found = by_hash_.find(hash->second);
  return found == by_hash_.end() || is_over(*found->second, now) ? nullptr : found->second;
}

Result<void> may_call(const KeyEntry& key, std::string_view model) {
  if (!key.may_call) {
    return forbidden("this API key may not call models")
        .because("key_scope")
        .fix("use a key whose scopes and owner allow it");
  }
  if (!key.project) {
    return forbidden("this API key is bound to no project, so that nobody would pay")
        .because("key_without_project")
        .fix("use a key that is bound to a project");
  }
  if (key.models.empty()) return {};
  for (const std::string_view allowed : key.models) {
    const bool begins = allowed.ends_with('*') &&
                        model.starts_with(allowed.substr(0, allowed.size() - 1));
    if (begins || allowed == model) return {};
  }
  return forbidden("this API key may not call the model '" + std::string(model) + "'")
      .at("model")
      .because("model_not_allowed");
}

}  // namespace bessemer::gateway
