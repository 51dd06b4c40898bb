// One trail at a time takes a piece of the journal, on the store's thread; between two pieces the
// loop looks whether anybody still waits for it.
#include "application/api/follow.h"

#include <utility>

#include "base/check.h"

namespace bessemer::api {
namespace {

class Following : public std::enable_shared_from_this<Following> {
 public:
  Following(std::shared_ptr<Call> call, server::Responder responder, Trail trail,
            std::function<Result<Reply>(const Trail&)> finish)
      : call_(std::move(call)), responder_(std::move(responder)), trail_(std::move(trail)),
        finish_(std::move(finish)), journal_(call_->services().engine.journal()),
        last_(call_->services().engine.applied()) {}

  // Requires: what is applied is durable.
  void next() {
    call_->services().store.post([self = shared_from_this()](artifact::Store&) mutable
                                     -> StoreQueue::Then {
      auto more = std::make_shared<Result<bool>>(self->read_piece());
      // Whatever is the last of it ends on the loop's thread.
      return [self = std::move(self), more] { self->go_on(*more); };
    });
  }

  journal::Sequence last() const { return last_; }

 private:
  // False: there is nothing more to read. On the store's thread.
  Result<bool> read_piece() {
    if (last_ == 0) return false;
    if (cursor_ == nullptr) {
      TRY_ASSIGN(cursor_, journal_.read(1));
    }
    journal::Batch batch;
    for (std::size_t read = 0; read < trail_piece; read += batch.count) {
      TRY_ASSIGN(const bool more, cursor_->next(batch));
      if (!more || batch.first > last_) return false;
      TRY(take(batch));
      if (trail_.is_complete()) return false;
    }
    return true;
  }

  Result<void> take(const journal::Batch& batch) {
    journal::Record record;
    journal::Sequence at = batch.first;
    for (journal::Records each(batch.body); each.next(record); ++at) {
      if (at > last_ || !Trail::concerns(record.type)) continue;
      TRY_ASSIGN(const auto fact, factory::decode_fact(at, record.type, record.bytes));
      trail_.take(fact);
    }
    return {};
  }

  void go_on(const Result<bool>& more) {
    if (responder_.gone()) return;
    if (!more) return call_->answer(responder_, more.error());
    // It takes as long as it takes: the key may have ended meanwhile.
    if (auto good = call_->still_good(); !good) {
      return call_->answer(responder_, std::move(good).error());
    }
    if (*more) return next();
    call_->answer(responder_, finish_(trail_));
  }

  std::shared_ptr<Call> call_;
  server::Responder responder_;
  Trail trail_;
  std::function<Result<Reply>(const Trail&)> finish_;
  journal::Journal& journal_;
  journal::Sequence last_;
  std::unique_ptr<journal::Cursor> cursor_;
};

}  // namespace

Result<void> check_room_to_read(const StoreQueue& store) {
  const std::size_t waiting = store.waiting();
  if (waiting < max_waiting_reads) return {};
  return unavailable("the factory reads and writes for " + std::to_string(waiting) +
                     " others; what takes long begins when fewer than " +
                     std::to_string(max_waiting_reads) + " wait")
      .because("busy")
      .fix("ask again in a second")
      .retried(Retry::later, seconds(1).ns);
}

Result<void> follow(const std::shared_ptr<Call>& call, const server::Responder& responder,
                    Trail trail, std::function<Result<Reply>(const Trail&)> finish) {
  check(call->permitted(), "a trail without asking permission");
  TRY(check_room_to_read(call->services().store));
  const auto following = std::make_shared<Following>(call, responder, std::move(trail),
                                                     std::move(finish));
  call->services().engine.when_durable(following->last(), [following] { following->next(); });
  return {};
}

}  // namespace bessemer::api
