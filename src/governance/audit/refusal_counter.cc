// Repeated refusals, a minute at a time.
#include "governance/audit/refusal_counter.h"

#include <utility>

namespace bessemer::audit {
namespace {

Instant minute_of(Instant at) { return {at.ns - at.ns % minutes(1).ns}; }

}  // namespace

std::vector<Told> RefusalCounter::count(Instant now, Told one, std::string_view operation) {
  std::vector<Told> tell = due(now);
  if (kinds_.empty()) minute_ = minute_of(now);
  Kind kind{one.key, std::string(operation), one.refusal.reason};
  if (kinds_.size() >= max_refusal_kinds && !kinds_.contains(kind)) {
    ++others_;
    return tell;
  }
  Counted& counted = kinds_[std::move(kind)];
  if (++counted.times <= refusals_told) {
    tell.push_back(std::move(one));
  } else {
    counted.last = std::move(one);
  }
  return tell;
}

std::vector<Told> RefusalCounter::due(Instant now) {
  std::vector<Told> tell;
  // A clock that steps back keeps counting into the minute that it had begun.
  if (kinds_.empty() || minute_of(now) <= minute_) return tell;
  const std::string in_minute = " more in the minute of " + to_text(minute_);
  for (auto& [kind, counted] : kinds_) {
    if (counted.times <= refusals_told) continue;
    Told& last = counted.last;
    last.refusal.what = std::to_string(counted.times - refusals_told) + in_minute + ": " +
                        last.refusal.what;
    tell.push_back(std::move(last));
  }
  if (others_ != 0) {
    Told others;
    others.refusal.resource = "audit";
    others.refusal.action = "list";
    others.refusal.reason = "other";
    others.refusal.what = std::to_string(others_) + in_minute + ", of more than " +
                          std::to_string(max_refusal_kinds) + " kinds";
    tell.push_back(std::move(others));
  }
  kinds_.clear();
  others_ = 0;
  return tell;
}

}  // namespace bessemer::audit
