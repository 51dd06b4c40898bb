// Judge, append, apply, release; and recovery, which applies and never judges.
#include "application/engine/engine.h"

#include <algorithm>

#include "application/engine/replay.h"
#include "base/check.h"
#include "base/codec.h"
#include "journal/snapshot.h"

namespace bessemer::engine {

Result<void> replay(const journal::Batch& batch, factory::State& state, Sequence& applied) {
  if (batch.first > applied + 1) {
    return internal("facts from " + std::to_string(applied + 1) + " are missing")
        .because("journal_corrupt");
  }
  journal::Records records(batch.body);
  journal::Record record;
  Sequence sequence = batch.first;
  for (; records.next(record); ++sequence) {
    if (sequence <= applied) continue;
    TRY_ASSIGN(const factory::Fact fact,
               factory::decode_fact(sequence, record.type, record.bytes));
    factory::apply(state, fact.event, fact.context);
    applied = sequence;
  }
  return {};
}

Result<journal::Head> load_state(world::Disk& disk, const Options& options,
                                 factory::State& state) {
  TRY_ASSIGN(auto snapshot, journal::load_snapshot(disk, options.snapshot_directory,
                                                   factory::state_schema()));
  if (!snapshot) return journal::Head{};
  TRY_ASSIGN(state, factory::decode_state(snapshot->bytes));
  return snapshot->at;
}

Result<std::unique_ptr<Engine>> Engine::open(world::Disk& disk, const Options& options) {
  std::unique_ptr<Engine> engine(new Engine);
  TRY_ASSIGN(const journal::Head known, load_state(disk, options, engine->state_));
  engine->applied_ = known.sequence;
  journal::Options files;
  files.directory = options.journal_directory;
  files.mark = options.mark;
  files.segment_bytes = options.segment_bytes;
  files.known = known;
  TRY_ASSIGN(engine->journal_,
             journal::open_journal(disk, files, [&](const journal::Batch& batch) {
               return replay(batch, engine->state_, engine->applied_);
             }));
  return engine;
}

Result<Written> Engine::submit(const factory::Command& command, const Context& context,
                               const factory::IdempotencyNote& note) {
  if (failed()) return internal("the journal has failed; the daemon must restart");
#ifdef BESSEMER_PLANT_STALE_STATE  // see cmake/programs/simulate.cmake
  static factory::State stale;  // as of the last commit
  if (applied_ == durable()) stale = state_;
  TRY_ASSIGN(factory::Batch batch, factory::judge(stale, command, context));
#else
  TRY_ASSIGN(factory::Batch batch, factory::judge(state_, command, context));
#endif
  if (!note.key.empty()) batch.events.push_back(factory::note_event(note));
  if (batch.events.empty()) {
    return Written{applied_, applied_, {}, batch.outcome, std::move(batch.leases)};
  }
  std::vector<std::string> bodies;
  std::vector<journal::Record> records;
  bodies.reserve(batch.events.size());
  for (const factory::Event& event : batch.events) {
    bodies.emplace_back();
    const std::uint16_t type = factory::encode_fact(bodies.back(), context, event);
    records.push_back({type, bodies.back()});
  }
  Written written;
  TRY_ASSIGN(written.last, journal_->append(records, batch.purpose));
  written.first = written.last - batch.events.size() + 1;
  for (const factory::Event& event : batch.events) {
    factory::apply(state_, event, context);
    ++applied_;
    for (const Watcher& watcher : watchers_) {
      watcher(factory::Fact{applied_, context, event});
    }
  }
  check(applied_ == written.last, "the journal and the state disagree about the sequence");
  written.events = std::move(batch.events);
  written.outcome = batch.outcome;
  written.leases = std::move(batch.leases);
  return written;
}

void Engine::when_durable(Sequence sequence, std::function<void()> then) {
#ifdef BESSEMER_PLANT_ANSWER_BEFORE_SYNC  // see cmake/programs/simulate.cmake
  return then();
#endif
  if (waiting_.empty() && sequence <= durable() && !failed()) return then();
  // An answer that depends on less than the last one waits behind it: order is kept.
  const Sequence place = waiting_.empty() ? sequence : std::max(sequence, waiting_.back().sequence);
  waiting_.push_back({place, std::move(then)});
}

void Engine::release() {
  while (!failed() && !waiting_.empty() && waiting_.front().sequence <= durable()) {
    const auto then = std::move(waiting_.front().then);
    waiting_.pop_front();
    then();
  }
}

Result<void> Engine::commit_now() {
  journal::Staged staged = journal_->take_staged();
  if (!staged.empty()) TRY(journal_->commit(std::move(staged)));
  release();
  return {};
}

Result<Sequence> write_snapshot(world::Disk& disk, const Options& options) {
  TRY(disk.make_directories(options.snapshot_directory));
  TRY_ASSIGN(const auto alone, disk.lock(options.snapshot_directory));
  factory::State state;
  TRY_ASSIGN(journal::Head at, load_state(disk, options, state));
  const Sequence known = at.sequence;
  Sequence applied = known;
  auto opened = journal::read_journal(disk, options.journal_directory, applied + 1,
                                      journal::Extent::certain);
  if (!opened && opened.error().code == Code::not_found) return applied;  // nothing new
  TRY_ASSIGN(const auto cursor, std::move(opened));
  journal::Batch batch;
  while (true) {
    TRY_ASSIGN(const bool more, cursor->next(batch));
    if (!more) break;
    TRY(replay(batch, state, applied));
    at = batch.head();
  }
  if (applied == known) return applied;
  TRY(journal::save_snapshot(disk, options.snapshot_directory,
                             {at, factory::state_schema(), factory::encode_state(state)}));
  TRY(journal::prune_snapshots(disk, options.snapshot_directory, 3));
  return applied;
}

}  // namespace bessemer::engine
