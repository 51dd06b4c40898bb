// Following a trail through the whole journal, beside the loop and in pieces.
#pragma once
#include <functional>
#include <memory>

#include "application/api/call.h"
#include "application/api/trail.h"

namespace bessemer::api {

// Jobs of the store above which no trail is begun: trails leave most of its queue to bytes.
constexpr std::size_t max_waiting_trails = 8;
// Facts read at a time; then others have their turn, and a client that is gone is noticed.
constexpr std::size_t trail_piece = 20'000;

// Feeds the trail every fact that is applied by now, until it needs no more, and answers with what
// `finish` makes of it. Requires: permitted. Errors: unavailable (too many jobs wait), before the
// responder is touched.
Result<void> follow(const std::shared_ptr<Call>& call, const server::Responder& responder,
                    Trail trail, std::function<Result<Reply>(const Trail&)> finish);

}  // namespace bessemer::api
