// Secrets as a resource: names, versions and the digests of sealed blobs. Never a value.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/result.h"
#include "base/time.h"

namespace bessemer::secret {

constexpr std::size_t max_per_project = 1'000;
constexpr std::size_t kept_versions = 10;      // older ones are dropped when a new one comes
constexpr std::size_t min_value = 4;           // bytes; a shorter one could not be masked in logs
constexpr std::size_t max_value = 64 * 1024;   // bytes

struct Version {
  std::uint32_t number = 0;  // from 1
  Digest sealed;             // SHA-256 of the sealed blob, which is the name of its file
  Instant created_at;
  PrincipalId created_by;
  friend bool operator==(const Version&, const Version&) = default;
};
DESCRIBE(Version, number, sealed, created_at, created_by)

struct Entry {
  SecretId id;
  OrgId project;
  std::string name;
  std::vector<Version> versions;  // oldest first; never empty
  friend bool operator==(const Entry&, const Entry&) = default;
};
DESCRIBE(Entry, id, project, name, versions)

struct State {
  std::map<SecretId, Entry> entries;
  std::map<std::pair<OrgId, std::string>, SecretId> by_name;  // (project, name)
  friend bool operator==(const State&, const State&) = default;
};
DESCRIBE(State, entries, by_name)

// ---- commands

// The shell asks next_version(), seals with it (vault.h), and then puts. Errors: conflict when
// another version came between: seal again.
struct Put {
  SecretId id;  // of a new secret; ignored when the name exists
  OrgId project;
  std::string name;
  std::uint32_t version = 0;
  Digest sealed;
};
DESCRIBE(Put, id, project, name, version, sealed)
struct Remove {
  OrgId project;
  std::string name;
};
DESCRIBE(Remove, project, name)
using Command = std::variant<Put, Remove>;

// ---- events

struct SecretPut {
  static constexpr std::uint16_t fact = 0x0B01;
  static constexpr std::string_view tag = "secret_put";
  SecretId id;
  OrgId project;
  std::string name;
  std::uint32_t version = 0;
  Digest sealed;
};
DESCRIBE(SecretPut, id, project, name, version, sealed)
struct SecretRemoved {
  static constexpr std::uint16_t fact = 0x0B02;
  static constexpr std::string_view tag = "secret_removed";
  SecretId id;
};
DESCRIBE(SecretRemoved, id)
using Event = std::variant<SecretPut, SecretRemoved>;

// Errors: invalid, not_found, conflict, exhausted.
Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& ctx);
void apply(State& state, const Event& event, const Context& ctx);

// ---- queries

const Entry* find(const State& state, OrgId project, std::string_view name);
// The secrets of a project, by name.
std::vector<const Entry*> list(const State& state, OrgId project);
// The version that the next Put must carry: 1 for a new name.
std::uint32_t next_version(const State& state, OrgId project, std::string_view name);
// The digests of every sealed blob that is still named: what Vault::sweep keeps.
std::set<Digest> sealed_blobs(const State& state);

}  // namespace bessemer::secret
