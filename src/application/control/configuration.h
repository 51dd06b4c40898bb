// What a gateway must know of the factory to serve: keys, routes, replicas, prices.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/time.h"
#include "governance/metering/metering.h"
#include "governance/pricing/pricing.h"

namespace bessemer::control {

// A key that may call models. Revoked keys stay listed (as revoked) until they expire or for a day,
// so that a gateway can tell "revoked" from "never seen".
struct KeyEntry {
  KeyId id;
  Digest hash;             // access::hash_key of its text
  PrincipalId owner;
  std::vector<OrgId> path;  // of its node, the tenant first
  OrgId project;           // who pays; none: the key's node is no project
  bool may_call = false;   // its scopes and its owner's roles let it call models
  std::vector<std::string> models;  // aliases; "name*": all that begin so; empty: all
  std::optional<Instant> expires_at;
  bool revoked = false;
  friend bool operator==(const KeyEntry&, const KeyEntry&) = default;
};
DESCRIBE(KeyEntry, id, hash, owner, path, project, may_call, models, expires_at, revoked)

enum class Protocol : std::uint8_t { openai, v2 };
DESCRIBE_ENUM(Protocol, openai, v2)

// One running copy. `connect`: "service:/path" (the supervisor's door, which passes connected
// sockets), "unix:/path" or "host:port".
struct ReplicaEntry {
  std::string name;     // unique: "task_.../generation"
  std::string connect;
  bool ready = false;
  friend bool operator==(const ReplicaEntry&, const ReplicaEntry&) = default;
};
DESCRIBE(ReplicaEntry, name, connect, ready)

// A served model. Its names are visible to keys whose path holds `visible_to` (none: to all); the
// deepest node wins where two endpoints have one name.
struct EndpointEntry {
  EndpointId id;
  std::vector<std::string> names;  // its name and aliases: what a request's "model" says
  OrgId visible_to;
  ModelId model;
  WorkloadId workload;
  Protocol protocol = Protocol::openai;
  std::string engine_model;        // what the engine calls it; empty: what the caller said
  std::string sku;                 // of its meters in the price book
  bool free_of_charge = false;     // dedicated: its owner pays the replicas, tokens cost nothing
  std::uint64_t context_tokens = 0;     // prompt and output together; 0: not known
  std::uint64_t max_output_tokens = 0;  // of one choice; 0: not known
  bool continuous_usage = true;    // the engine can count in every streamed chunk
  std::vector<ReplicaEntry> replicas;
  friend bool operator==(const EndpointEntry&, const EndpointEntry&) = default;
};
DESCRIBE(EndpointEntry, id, names, visible_to, model, workload, protocol, engine_model, sku,
         free_of_charge, context_tokens, max_output_tokens, continuous_usage, replicas)

// By which books a tenant is charged, and from when.
struct TenantEntry {
  OrgId tenant;
  std::vector<metering::BookChoice> books;  // ascending
  friend bool operator==(const TenantEntry&, const TenantEntry&) = default;
};
DESCRIBE(TenantEntry, tenant, books)

// Everything, or what has changed since a version. In a delta an entry replaces the one of the same
// identity; ids under `gone_*` vanish.
struct Configuration {
  std::uint64_t from = 0;     // the version a delta starts from; 0: this is everything
  std::uint64_t version = 0;  // the version it leads to
  std::uint64_t budgets = 0;  // changes whenever a budget or wallet is made, changed or removed
  std::vector<KeyEntry> keys;
  std::vector<EndpointEntry> endpoints;
  std::vector<TenantEntry> tenants;
  std::vector<pricing::Version> prices;
  std::vector<KeyId> gone_keys;
  std::vector<EndpointId> gone_endpoints;
  friend bool operator==(const Configuration&, const Configuration&) = default;
};
DESCRIBE(Configuration, from, version, budgets, keys, endpoints, tenants, prices, gone_keys,
         gone_endpoints)

// The delta that leads from `before` to `after`, both complete.
Configuration difference(const Configuration& before, const Configuration& after);
// Brings a complete configuration forward. Errors: conflict (the delta starts elsewhere: ask for a
// snapshot).
Result<void> advance(Configuration& held, const Configuration& delta);

}  // namespace bessemer::control
