// Which datasets are read next: tenants take turns, and what could not be read comes again.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "base/time.h"
#include "data/dataset/dataset.h"

namespace bessemer::conductor {

constexpr std::uint32_t inspections_at_once = 32;   // of all tenants: each holds a row in memory
constexpr std::uint32_t inspections_of_tenant = 2;  // at once; its others wait for these
// Bytes that cannot be read are tried again: a disk or a network may only be away for a while.
constexpr std::uint32_t inspection_tries = 8;
constexpr Duration inspection_backoff = seconds(1);      // doubled with each try
constexpr Duration longest_inspection_backoff = minutes(1);

// A version that is to be read, or is being read.
struct Inspecting {
  OrgId tenant;
  dataset::Uninspected version;
  std::uint32_t tries = 0;  // made so far
  Instant not_before;
};

class Inspections {
 public:
  void add(OrgId tenant, dataset::Uninspected version);
  // What is to be read now; it counts as being read until it is given back.
  std::optional<Inspecting> next(Instant now);
  // It was read, or is not wanted any more.
  void done(const Inspecting& read);
  // It could not be read. False: that was the last try.
  bool again(Inspecting failed, Instant now);
  // When next() may have something although nothing was given back; none: never.
  std::optional<Instant> next_moment() const;

 private:
  struct Tenant {
    std::deque<Inspecting> waiting;  // oldest first
    std::uint32_t reading = 0;
  };
  std::map<OrgId, Tenant> tenants_;  // those with something to read
  OrgId last_;                       // who had the last turn
  std::uint32_t reading_ = 0;
};

}  // namespace bessemer::conductor
