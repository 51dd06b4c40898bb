// The factory: one command down the ladder governance -> orchestration -> data -> compute, into one
// atomic batch of facts; one fact applied to the module it belongs to. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "application/factory/command.h"
#include "application/factory/fact.h"
#include "application/factory/state.h"
#include "journal/journal.h"

namespace bessemer::factory {

// What one command leads to: facts that become durable together or not at all.
struct Batch {
  std::vector<Event> events;
  journal::Purpose purpose = journal::Purpose::ordinary;
  // Of lease::Borrow: what was granted, or that recalls are under way.
  lease::Outcome outcome = lease::Outcome::done;
  std::vector<lease::Lease> leases;
};

// Decides; changes nothing. Errors: those of the modules, in the order of the ladder.
Result<Batch> judge(const State& state, const Command& command, const Context& context);
// Changes; decides nothing; cannot fail.
void apply(State& state, const Event& event, const Context& context);

// ---- repeated requests

// Goes into the batch of a command that came with an Idempotency-Key; an empty key: no note.
struct IdempotencyNote {
  PrincipalId principal;
  std::string key;
  Digest body;
  std::string location;
  std::vector<Permission> asked;
  std::uint32_t status = 0;
};
Event note_event(const IdempotencyNote& note);
// What the key led to; null when it is fresh or forgotten.
const Noted* find_note(const State& state, PrincipalId principal, std::string_view key,
                       Instant now);

// ---- asking

// The node of the organisation that an event is about; none: the platform's own. Who may read
// events there may see it.
OrgId subject_of(const State& state, const Event& event);

}  // namespace bessemer::factory
