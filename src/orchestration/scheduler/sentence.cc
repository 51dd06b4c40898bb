// Verdicts in the words of the person who waits.
#include <fmt/format.h>

#include "orchestration/scheduler/scheduler.h"

namespace bessemer::scheduler {
namespace {

// 1500 -> "1.5"
std::string thousandths(std::uint64_t milli) {
  std::string text = std::to_string(milli / 1'000);
  if (milli % 1'000 == 0) return text;
  std::string part = fmt::format("{:03}", milli % 1'000);
  part.erase(part.find_last_not_of('0') + 1);
  return text + "." + part;
}

std::string bytes(std::uint64_t count) {
  constexpr std::uint64_t gib = 1ull << 30, mib = 1ull << 20;
  if (count >= gib) return thousandths(count / gib * 1'000 + count % gib * 1'000 / gib) + " GiB";
  if (count >= mib) return std::to_string(count / mib) + " MiB";
  return std::to_string(count) + " bytes";
}

// "8 H200", "2.5 cores", "4 GiB of memory", "16 tasks"
std::string quantity(const Verdict& verdict, std::uint64_t amount) {
  switch (verdict.resource) {
    case Resource::gpu_milli: {
      const bool one = amount <= 1'000;
      const std::string_view model =
          !verdict.model.empty() ? std::string_view(verdict.model) : one ? "GPU" : "GPUs";
      return fmt::format("{} {}", thousandths(amount), model);
    }
    case Resource::cpu_millis:
      return thousandths(amount) + (amount <= 1'000 ? " core" : " cores");
    case Resource::memory_bytes: return bytes(amount) + " of memory";
    case Resource::tasks: return std::to_string(amount) + (amount == 1 ? " task" : " tasks");
  }
  return {};
}

// The number alone, where the unit was said before.
std::string number(const Verdict& verdict, std::uint64_t amount) {
  switch (verdict.resource) {
    case Resource::gpu_milli:
    case Resource::cpu_millis: return thousandths(amount);
    case Resource::memory_bytes: return bytes(amount);
    case Resource::tasks: return std::to_string(amount);
  }
  return {};
}

std::string in_pool(const Verdict& verdict) {
  return verdict.pool.empty() ? std::string{} : " in pool " + verdict.pool;
}

std::string until(const Verdict& verdict) {
  return verdict.until ? " until " + to_text(*verdict.until) : std::string{};
}

std::string no_room(const Verdict& verdict) {
  if (verdict.resource == Resource::tasks) {
    return fmt::format("waits: needs room for {} at once{}; there is room for {} now",
                       quantity(verdict, verdict.asked), in_pool(verdict), verdict.largest);
  }
  return fmt::format("waits: fits nowhere{} now: needs {} on one node; the largest hole is {}",
                     in_pool(verdict), quantity(verdict, verdict.asked),
                     number(verdict, verdict.largest));
}

std::string never(const Verdict& verdict, std::string_view subject) {
  const auto asked = [&] { return quantity(verdict, verdict.asked); };
  switch (verdict.why) {
    case Why::no_pool_never:
      return verdict.pool.empty() ? "no such pool has a node"
                                  : fmt::format("pool {} has no node", verdict.pool);
    case Why::no_model_never:
      if (verdict.model.empty()) return fmt::format("no node{} has a GPU", in_pool(verdict));
      return fmt::format("no node{} has a GPU of model {}", in_pool(verdict), verdict.model);
    case Why::too_big_never:
      return fmt::format("needs {} on one node; the largest{} has {}", asked(), in_pool(verdict),
                         number(verdict, verdict.largest));
    case Why::gang_too_big_never:
      return fmt::format("needs room for {} at once; all nodes{} together have room for {}",
                         asked(), in_pool(verdict), verdict.largest);
    case Why::limit_too_low_never:
      return fmt::format("needs {}; the limit of {} is {}", asked(), subject,
                         number(verdict, verdict.limit));
    default:
      return fmt::format("is not preemptible and needs {}; {} has a quota of {} for such work",
                         asked(), subject, number(verdict, verdict.limit));
  }
}

}  // namespace

std::string sentence(const Verdict& verdict, std::string_view subject) {
  if (is_never(verdict.why)) return "can never run here: " + never(verdict, subject);
  switch (verdict.why) {
    case Why::no_room: return no_room(verdict);
    case Why::over_limit:
      return fmt::format("waits: {} is over its limit of {}{} by {}", subject,
                         quantity(verdict, verdict.limit), in_pool(verdict),
                         number(verdict, verdict.used + verdict.asked - verdict.limit));
    case Why::outside_quota:
      return fmt::format("waits: {} has a quota of {}{} for work that must not be interrupted, "
                         "and uses {} of it; this needs {}",
                         subject, quantity(verdict, verdict.limit), in_pool(verdict),
                         number(verdict, verdict.used), number(verdict, verdict.asked));
    case Why::no_budget:
      return fmt::format("waits: the budget of {} has not enough left", subject);
    case Why::reclaiming:
      return fmt::format("waits{}: others give back the room it deserves", until(verdict));
    case Why::backing_off: return fmt::format("waits{}: an earlier attempt failed", until(verdict));
    case Why::held: return "waits: it is held back";
    case Why::refused: return "waits: its start was refused, until something changes";
    default:
      return fmt::format("waits: fits only nodes{} that take no new work now", in_pool(verdict));
  }
}

}  // namespace bessemer::scheduler
