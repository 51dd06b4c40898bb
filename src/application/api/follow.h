// Following a trail through the whole journal, beside the loop and in pieces.
#pragma once
#include <functional>
#include <memory>

#include "application/api/call.h"
#include "application/api/trail.h"

namespace bessemer::api {

// Jobs of the store above which no long reading is begun: it leaves most of the queue to bytes.
constexpr std::size_t max_waiting_reads = 8;
// Facts read at a time; then others have their turn, and a client that is gone is noticed.
constexpr std::size_t trail_piece = 20'000;

// Whether something may be read that takes long. Errors: unavailable (too many jobs wait).
Result<void> check_room_to_read(const StoreQueue& store);

// Feeds the trail every fact that is applied by now, until it needs no more, and answers with what
// `finish` makes of it. Requires: permitted. Errors: unavailable (too many jobs wait), before the
// responder is touched.
Result<void> follow(const std::shared_ptr<Call>& call, const server::Responder& responder,
                    Trail trail, std::function<Result<Reply>(const Trail&)> finish);

}  // namespace bessemer::api
