// How long ahead prices must be known: what is held before it is used is held at a known price.
#pragma once
#include "governance/pricing/pricing.h"

namespace bessemer::pricing {

// Running work is paid for minutes ahead, and nobody can take that back: a version that changes a
// price of time, and another book, are known before the first work is paid for into their time.
// price_notice is enough for the others: a request keeps the price that it began with.
constexpr Duration time_price_notice = minutes(11);
static_assert(time_price_notice >= price_notice);

}  // namespace bessemer::pricing
