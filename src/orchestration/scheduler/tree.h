// The organisation's queues as the planner sees them: what each deserves, may use and uses.
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "orchestration/scheduler/scheduler.h"

namespace bessemer::scheduler {

// What a workload adds to the queues above it.
struct Demand {
  std::uint64_t gpu_milli = 0;
  std::uint64_t cpu_millis = 0;
  bool preemptible = true;
};

// Why a queue says no.
struct Refusal {
  Why why = Why::over_limit;
  std::uint32_t queue = 0;
  Resource resource = Resource::gpu_milli;
  std::uint64_t asked = 0, used = 0, limit = 0;
};

// Use is counted over whole subtrees. What is not declared deserves nothing, except the root: it
// deserves what its pools have.
class Tree {
 public:
  Tree(const Snapshot& snapshot, const std::vector<std::uint64_t>& pool_capacity);

  void add(std::uint32_t queue, std::uint32_t pool, const Demand& demand);
  void remove(std::uint32_t queue, std::uint32_t pool, const Demand& demand);

  // The first refusal, from the root down: what can never be allowed before what cannot be now.
  std::optional<Refusal> refuse(std::uint32_t queue, std::uint32_t pool,
                                const Demand& demand) const;
  // True when the demand stays within what some queue on the path declares to deserve: then there
  // may be borrowed room to take back for it.
  bool deserves(std::uint32_t queue, std::uint32_t pool, const Demand& demand) const;
  // True when the claimant may take the victim's room: below where their queues meet, the topmost
  // that declares on the claimant's side stays within what it deserves, and every one on the
  // victim's side is above it.
  bool lends(std::uint32_t victim, std::uint32_t claimant, std::uint32_t pool,
             const Demand& demand) const;
  // Counts the claimant in advance. Where it shares a queue with its victims, whose use is counted
  // until they are gone, only what it has more than they counts.
  struct Leaving {
    std::uint32_t queue = 0;
    Demand demand;
  };
  void expect(std::uint32_t queue, std::uint32_t pool, const Demand& demand,
              const std::vector<Leaving>& victims);

  // The queue and those above it, leaf first.
  const std::vector<std::uint32_t>& path(std::uint32_t queue) const { return paths_[queue]; }

  // How much a queue is served for what it deserves, over all pools: smaller goes first. `own`
  // leaves its descendants out.
  struct Standing {
    bool borrows = false;                   // has what it deserves
    std::uint64_t used = 0, deserved = 0;   // compared as used : deserved, or else
    std::uint64_t surplus = 0, weight = 0;  // as surplus : weight, then cpu : weight
    std::uint64_t cpu = 0;
    friend bool operator<(const Standing& a, const Standing& b);
  };
  Standing standing(std::uint32_t queue) const;
  Standing own_standing(std::uint32_t queue) const;

 private:
  struct Use {
    std::uint64_t gpu = 0, cpu = 0, fixed = 0;
    std::uint64_t rest_fixed = 0;  // of `fixed`: not below a descendant that declares
  };
  std::size_t at(std::uint32_t queue, std::uint32_t pool) const { return queue * pools_ + pool; }
  std::optional<Refusal> refuse_at(std::uint32_t queue, std::uint32_t pool,
                                   const Demand& demand) const;
  std::optional<Refusal> refuse_rest(std::uint32_t queue, std::uint32_t pool,
                                     const Demand& demand) const;
  void move(std::uint32_t queue, std::uint32_t pool, const Demand& demand, bool up);

  std::size_t pools_;
  std::vector<Quota> quotas_;                     // by queue and pool
  std::vector<bool> declared_;                    // deserved is declared there
  std::vector<std::uint64_t> deserved_;
  std::vector<std::uint64_t> below_;              // deserved by the nearest declaring descendants
  std::vector<std::uint32_t> holder_;             // nearest queue at or above that deserves
  std::vector<Use> use_;                          // of the subtree
  std::vector<std::uint64_t> own_gpu_, own_cpu_;  // of the queue itself, over all pools
  std::vector<std::vector<std::uint32_t>> paths_;
};

}  // namespace bessemer::scheduler
