// One round of planning: what `plan` works with while it decides.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "orchestration/scheduler/fleet.h"
#include "orchestration/scheduler/scheduler.h"
#include "orchestration/scheduler/tree.h"
#include "orchestration/scheduler/turns.h"

namespace bessemer::scheduler {

// Decides in this order: claims that already wait out a notice; then every other workload in its
// turn, by the gentlest action that works: start it on what is free, reclaim borrowed room for it,
// preempt less important work of its own queue. Work is done once per class of equal workloads.
class Planner {
 public:
  explicit Planner(const Snapshot& snapshot);
  Plan run();

 private:
  // What pending workloads with the same shape and gang size have in common in one pool.
  struct Class {
    std::optional<Fit> fit;          // of the empty nodes
    std::optional<Verdict> no_room;  // it did not fit; free room only shrinks
  };
  enum class Means : std::uint8_t { reclaim, preempt };
  // Queue, class, pool, preemptible, means, priority where it matters.
  using ClaimKey =
      std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, bool, Means, std::int32_t>;

  // In plan.cc: starting on free room.
  void decide(std::uint32_t index);
  std::optional<Verdict> keeps_out(const Pending& pending) const;
  std::optional<Verdict> attempt(std::uint32_t index, std::uint32_t pool);
  std::optional<Verdict> never(std::uint32_t index, std::uint32_t pool);
  std::optional<Verdict> refusal(std::uint32_t index, std::uint32_t pool) const;
  std::optional<Verdict> unaffordable(const Pending& pending) const;
  void start(std::uint32_t index, std::uint32_t pool, std::vector<Place> places);
  void spend(const Pending& pending);
  const std::vector<std::uint32_t>& pools_of(std::uint32_t index) const;
  Class& class_of(std::uint32_t index, std::uint32_t pool);
  Verdict verdict(std::uint32_t index, Why why) const;

  // In claim.cc: room that others give back.
  void resume_claims();
  void list_victims();
  bool resume(std::uint32_t index, const std::vector<std::uint32_t>& victims);
  bool hold(std::uint32_t index, const Reservation& reservation,
            const std::vector<std::uint32_t>& victims);
  std::optional<std::vector<Place>> places_of(const Reservation& reservation) const;
  bool is_there(std::uint32_t index, const std::vector<Place>& places);
  void claim_again();
  bool claim(std::uint32_t index);
  bool claim(std::uint32_t index, std::uint32_t pool, Means means);
  bool may_take(std::uint32_t index, std::uint32_t pool, Means means, std::uint32_t victim) const;
  std::vector<std::uint32_t> candidates(std::uint32_t index, std::uint32_t pool, Means means);
  std::vector<std::uint32_t> promising_nodes(std::uint32_t index, std::uint32_t pool,
                                             Means means);
  template <class Visit>
  void each_candidate(std::uint32_t index, std::uint32_t pool, Means means, Visit&& visit);
  std::vector<std::uint32_t> gather(std::uint32_t index, std::uint32_t pool, Means means);
  std::vector<std::uint32_t> take_from(std::uint32_t index, std::uint32_t pool, Means means,
                                       const std::vector<std::uint32_t>& list);
  std::vector<std::uint32_t> on_one_node(std::uint32_t index, std::uint32_t pool, Means means);
  void spare(std::uint32_t index, std::uint32_t pool, std::vector<std::uint32_t>& victims);
  std::optional<std::vector<Place>> fits(std::uint32_t index, std::uint32_t pool);
  bool would_fit(std::uint32_t index, std::uint32_t pool);
  void reserve(std::uint32_t index, std::uint32_t pool, std::vector<Place> places,
               const std::vector<std::uint32_t>& victims);
  void remove(std::uint32_t victim);
  void put_back(std::uint32_t victim);

  const Snapshot& snapshot_;
  Fleet fleet_;
  Tree tree_;
  Turns turns_;
  std::vector<Wide> money_;
  std::vector<std::uint32_t> all_pools_;
  std::vector<std::uint32_t> class_ids_;                  // of each pending workload
  std::vector<Class> classes_;                            // by class and pool
  std::vector<bool> decided_;                             // of each pending workload
  std::vector<std::vector<std::uint32_t>> victims_;       // of each pool, gentlest first
  std::vector<std::size_t> first_victim_;                 // of each pool: those before it leave
  std::vector<std::vector<std::uint32_t>> on_node_;       // victims of each node, gentlest first
  std::vector<bool> leaving_;                             // of each running workload
  std::map<NodeId, std::uint32_t> node_index_;            // only where something is reserved
  std::set<ClaimKey> hopeless_;                           // claims that found too little
  std::uint64_t effort_ = 0;                              // spent on claims: see max_effort
  // Who waits for room or under a limit, and the place of its verdict in plan_.waits.
  std::vector<std::pair<std::uint32_t, std::size_t>> short_;
  Plan plan_;
};

}  // namespace bessemer::scheduler
