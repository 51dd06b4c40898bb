// Names of things: 128-bit ids, one type per kind, all kinds in one registry.
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/result.h"
#include "base/time.h"

namespace bessemer {

// 48 bits of Unix milliseconds, then 80 random bits; drawn by the shell, carried in the command.
// Ids sort by time of creation. All zero means "none".
template <class Tag>
struct Id {
  std::uint64_t high = 0, low = 0;
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
  constexpr explicit operator bool() const { return high != 0 || low != 0; }
};

template <class T> inline constexpr bool is_id = false;
template <class Tag> inline constexpr bool is_id<Id<Tag>> = true;

// The registry: a kind's tag carries the prefix of its text.
struct OrgTag { static constexpr std::string_view prefix = "org"; };
struct PrincipalTag { static constexpr std::string_view prefix = "usr"; };
struct KeyTag { static constexpr std::string_view prefix = "key"; };
struct SecretTag { static constexpr std::string_view prefix = "sec"; };
struct NodeTag { static constexpr std::string_view prefix = "node"; };
struct AllocationTag { static constexpr std::string_view prefix = "alc"; };
struct WorkloadTag { static constexpr std::string_view prefix = "wl"; };
struct TaskTag { static constexpr std::string_view prefix = "task"; };
struct PipelineTag { static constexpr std::string_view prefix = "pip"; };
struct PipelineRunTag { static constexpr std::string_view prefix = "prn"; };
struct EndpointTag { static constexpr std::string_view prefix = "ep"; };
struct DatasetTag { static constexpr std::string_view prefix = "ds"; };
struct RunTag { static constexpr std::string_view prefix = "run"; };
struct ModelTag { static constexpr std::string_view prefix = "mdl"; };
struct BudgetTag { static constexpr std::string_view prefix = "bud"; };
struct PriceBookTag { static constexpr std::string_view prefix = "pb"; };
struct AccountTag { static constexpr std::string_view prefix = "acc"; };
struct TransferTag { static constexpr std::string_view prefix = "tr"; };
struct HoldTag { static constexpr std::string_view prefix = "hold"; };
struct LeaseTag { static constexpr std::string_view prefix = "lse"; };
struct GatewayTag { static constexpr std::string_view prefix = "gw"; };
struct RequestTag { static constexpr std::string_view prefix = "req"; };
struct InvoiceTag { static constexpr std::string_view prefix = "inv"; };
struct UploadTag { static constexpr std::string_view prefix = "upl"; };

using OrgId = Id<OrgTag>;              // a tenant, group or project of the organisation tree
using PrincipalId = Id<PrincipalTag>;  // a user or service account
using KeyId = Id<KeyTag>;              // an API key (its name, never its secret)
using SecretId = Id<SecretTag>;
using NodeId = Id<NodeTag>;            // a machine
using AllocationId = Id<AllocationTag>;
using WorkloadId = Id<WorkloadTag>;    // a job or a service
using TaskId = Id<TaskTag>;            // one process tree of a workload, on one node
using PipelineId = Id<PipelineTag>;
using PipelineRunId = Id<PipelineRunTag>;
using EndpointId = Id<EndpointTag>;
using DatasetId = Id<DatasetTag>;
using RunId = Id<RunTag>;
using ModelId = Id<ModelTag>;
using BudgetId = Id<BudgetTag>;
using PriceBookId = Id<PriceBookTag>;
using AccountId = Id<AccountTag>;
using TransferId = Id<TransferTag>;
using HoldId = Id<HoldTag>;
using LeaseId = Id<LeaseTag>;
using GatewayId = Id<GatewayTag>;
using RequestId = Id<RequestTag>;
using InvoiceId = Id<InvoiceTag>;
using UploadId = Id<UploadTag>;

// Crockford base32, 26 characters. Reading takes either case and refuses I L O U.
std::string id_to_text(std::string_view prefix, std::uint64_t high, std::uint64_t low);
Result<void> id_from_text(std::string_view prefix, std::string_view text, std::uint64_t& high,
                          std::uint64_t& low);

// "wl_01J..." ; the empty string for none.
template <class Tag>
std::string to_text(Id<Tag> id) {
  return id ? id_to_text(Tag::prefix, id.high, id.low) : std::string{};
}
template <class Tag>
Result<Id<Tag>> from_text(std::type_identity<Id<Tag>>, std::string_view text) {
  Id<Tag> id;
  if (text.empty()) return id;
  TRY(id_from_text(Tag::prefix, text, id.high, id.low));
  return id;
}

// Composes an id from the moment and 80 bits of `random` (the low 16 of `high_random` are used).
template <class Tag>
Id<Tag> make_id(Instant now, std::uint64_t high_random, std::uint64_t low_random) {
  const auto ms = static_cast<std::uint64_t>(now.ns / 1'000'000);
  return {(ms << 16) | (high_random & 0xffff), low_random};
}

// An id derived from another, for things that one command creates many of (tasks of a workload).
// Deterministic: the same (from, salt) gives the same id. Not a secret.
template <class To, class From>
Id<To> derive_id(Id<From> from, std::uint64_t salt) {
  std::uint64_t z = from.low + (salt + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return {from.high, z ^ (z >> 31)};
}

}  // namespace bessemer
