// What requests with an Idempotency-Key led to: noted with what they made, and forgotten in time.
#include "application/factory/factory.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

void drop_answer(Notes& notes, Noted& noted) {
  if (!noted.answer) return;
  notes.answer_bytes -= noted.answer->size();
  noted.answer.reset();
}

// Forgets the note made at `at`.
void forget(Notes& notes, Instant at) {
  const auto found = notes.by_time.find(at);
  const auto& [principal, key] = found->second;
  const auto noted = notes.by_key.find(found->second);
  if (noted != notes.by_key.end() && noted->second.at == at) {  // and not noted anew since
    drop_answer(notes, noted->second);
    notes.by_key.erase(noted);
  }
  auto& own = notes.by_principal.at(principal);
  own.erase(at);
  if (own.empty()) notes.by_principal.erase(principal);
  notes.by_time.erase(found);
}

// The oldest answers make room for new ones; their keys stay known.
void make_room(Notes& notes) {
  auto oldest = notes.by_time.lower_bound(notes.answers_from);
  while (notes.answer_bytes > noted_answers_bytes && oldest != notes.by_time.end()) {
    const auto noted = notes.by_key.find(oldest->second);
    if (noted != notes.by_key.end() && noted->second.at == oldest->first) {
      drop_answer(notes, noted->second);
    }
    ++oldest;
  }
  if (oldest != notes.by_time.end()) notes.answers_from = oldest->first;
}

}  // namespace

void apply_own(State& state, const RequestNoted& event, const Context& context) {
  Notes& notes = state.notes;
  const Instant oldest = context.now - noted_life;
  while (!notes.by_time.empty() && notes.by_time.begin()->first < oldest) {
    forget(notes, notes.by_time.begin()->first);
  }
  const auto own = notes.by_principal.find(event.principal);
  if (own != notes.by_principal.end() && own->second.size() >= noted_per_principal) {
    forget(notes, own->second.begin()->first);
  }
  Instant at = context.now;
  while (notes.by_time.contains(at)) at.ns += 1;  // the index needs a moment for each
  const auto key = std::pair(event.principal, event.key);
  notes.by_time.emplace(at, key);
  notes.by_principal[event.principal].emplace(at, event.key);
  const auto former = notes.by_key.find(key);
  if (former != notes.by_key.end()) drop_answer(notes, former->second);
  notes.by_key.insert_or_assign(
      key, Noted{event.body, event.location, at, event.asked, event.status, {}});
}

void apply_own(State& state, const RequestAnswered& event, const Context&) {
  const auto noted = state.notes.by_key.find(std::pair(event.principal, event.key));
  if (noted == state.notes.by_key.end()) return;  // forgotten for want of room
  drop_answer(state.notes, noted->second);
  state.notes.answer_bytes += event.answer.size();
  noted->second.answer = event.answer;
  make_room(state.notes);
}

Result<Batch> judge_keep_answer(const State& state, const KeepAnswer& keep, const Context&) {
  const auto noted = state.notes.by_key.find(std::pair(keep.principal, keep.key));
  if (noted == state.notes.by_key.end()) return not_found("no such request is noted");
  Batch batch;
  if (keep.answer.size() > noted_answer_bytes) return batch;
  batch.events.emplace_back(OwnEvent(RequestAnswered{keep.principal, keep.key, keep.answer}));
  return batch;
}

Event note_event(const IdempotencyNote& note) {
  return OwnEvent(RequestNoted{note.principal, note.key, note.body, note.location, note.asked,
                               note.status});
}

const Noted* find_note(const State& state, PrincipalId principal, std::string_view key,
                       Instant now) {
  const auto found = state.notes.by_key.find(std::pair(principal, std::string(key)));
  if (found == state.notes.by_key.end() || found->second.at < now - noted_life) return nullptr;
  return &found->second;
}

}  // namespace bessemer::factory
