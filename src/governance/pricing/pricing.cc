// Decides what may be published; finds and applies prices.
#include "governance/pricing/pricing.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "governance/pricing/notice.h"

namespace bessemer::pricing {
namespace {

constexpr Wide hour_ns = 3'600'000'000'000;
constexpr Wide month_hours = 730;  // 365 x 24 / 12

auto order(const Price& price) { return std::tie(price.meter, price.sku); }

bool names_one_sku(std::string_view sku) { return sku != any_sku && sku != any_simulated_sku; }

Result<Price> price_from(const PriceSpec& spec, Currency currency) {
  TRY(check_sku(spec.sku));
  if (spec.sku == included_sku) return invalid("is priced at 0 by itself").at("sku");
  const Wide per = spec.per.value_or(unit_of(spec.meter).quantity);
  if (per < 1 || per > max_per) {
    return invalid("must be 1 to 10^37 base units of the meter").at("per");
  }
  if (spec.amount.nano < 0 || spec.amount.nano > max_amount_nano) {
    return invalid("must be 0 to 10^15 units of the currency").at("amount");
  }
  const Currency expected = is_simulated(spec.sku) ? simulated_currency : currency;
  if (spec.amount.currency != expected) {
    return invalid("must be in " + to_text(expected))
        .at("amount")
        .fix("skus that start with \"sim-\" are priced in SIM, all others in the book's currency");
  }
  return Price{spec.meter, spec.sku, spec.amount, per};
}

Result<std::vector<Price>> prices_from(const Publish& command) {
  if (command.prices.empty()) return invalid("must hold at least one price").at("prices");
  if (command.prices.size() > max_prices) {
    return invalid("must hold at most 2000 prices").at("prices");
  }
  std::vector<Price> prices;
  for (std::size_t i = 0; i < command.prices.size(); ++i) {
    auto price = price_from(command.prices[i], command.currency);
    if (!price) {
      return std::move(price).error().within("prices[" + std::to_string(i) + "]");
    }
    prices.push_back(*std::move(price));
  }
  for (const Meter meter : {Meter::input_tokens, Meter::cached_input_tokens, Meter::output_tokens,
                            Meter::reasoning_tokens, Meter::requests}) {
    prices.push_back({meter, std::string(included_sku), {0, command.currency}, 1});
  }
  std::ranges::sort(prices, {}, order);  // equal keys are refused next
  const auto twice = std::ranges::adjacent_find(prices, {}, order);
  if (twice != prices.end()) {
    return invalid("prices " + std::string(enum_text(twice->meter)) + " of \"" + twice->sku +
                   "\" twice")
        .at("prices");
  }
  return prices;
}

// Whether two lists cost the same for time. Both are in order: meters of time come first.
bool same_for_time(const std::vector<Price>& a, const std::vector<Price>& b) {
  const auto end_of_time = [](const std::vector<Price>& prices) {
    return std::ranges::find_if(prices, [](const Price& one) { return !is_time(one.meter); });
  };
  return std::equal(a.begin(), end_of_time(a), b.begin(), end_of_time(b));
}

Result<Instant> effect_of(const Publish& command, const std::vector<Version>* book,
                          const std::vector<Price>& prices, Instant now) {
  const bool short_notice = book != nullptr && same_for_time(book->back().prices, prices);
  const Duration notice = short_notice ? price_notice : time_price_notice;
  const Instant earliest = book == nullptr
                               ? now
                               : std::max(now + notice,
                                          book->back().effective_from + nanoseconds(1));
  const Instant effect = command.effective_from.value_or(earliest);
  if (effect >= earliest) return effect;
  if (book == nullptr) {
    return invalid("must not be in the past")
        .at("effective_from")
        .fix("what was used before the first price stays unpriced; correct it by an adjustment");
  }
  return invalid("must be at least " + std::to_string(notice.ns / seconds(1).ns) +
                 "s ahead and after the version before: not before " + to_text(earliest))
      .at("effective_from");
}

// Whether the same version was published before: then there is nothing left to do.
bool same_content(const Publish& command, const Version& version,
                  const std::vector<Price>& prices) {
  return version.book == command.name && version.currency == command.currency &&
         version.prices == prices &&
         command.effective_from.value_or(version.effective_from) == version.effective_from;
}

Result<std::vector<Event>> judge_publish(const State& state, const Publish& command,
                                         const Context& at) {
  if (!command.id) return invalid("must not be empty").at("id");
  if (auto named = check_name(command.name); !named) {
    return std::move(named).error().at("name");
  }
  if (command.currency == Currency{} || command.currency == simulated_currency) {
    return invalid("must be a real currency")
        .at("currency")
        .fix("simulated skus (\"sim-...\") are priced in SIM inside any book");
  }
  TRY_ASSIGN(auto prices, prices_from(command));
  if (const Version* known = find(state, command.id); known != nullptr) {
    if (same_content(command, *known, prices)) return std::vector<Event>{};
    return conflict("a version with this id has other content").at("id");
  }
  const auto found = state.books.find(command.name);
  const std::vector<Version>* book = found == state.books.end() ? nullptr : &found->second;
  if (book == nullptr && state.books.size() >= max_books) {
    return exhausted("there are 1000 price books already");
  }
  if (book != nullptr && book->front().currency != command.currency) {
    return conflict("the book is in " + to_text(book->front().currency))
        .at("currency")
        .fix("publish a book of another name");
  }
  if (book != nullptr && book->size() >= max_versions) {
    return exhausted("the book has 10000 versions already");
  }
  TRY_ASSIGN(const Instant effect, effect_of(command, book, prices, at.now));
  const auto number = static_cast<std::uint32_t>(book == nullptr ? 1 : book->size() + 1);
  return std::vector<Event>{PriceBookPublished{Version{
      .id = command.id, .book = command.name, .number = number, .currency = command.currency,
      .effective_from = effect, .published_at = at.now, .prices = std::move(prices)}}};
}

Result<void> check_range(const Price& price, Wide quantity) {
  if (quantity > max_quantity || quantity < -max_quantity) {
    return invalid("a quantity beyond 10^37 base units");
  }
  const Wide size = quantity < 0 ? -quantity : quantity;
  // size / per <= max / amount, so the product over per is at most 2 max: it fits.
  if (price.amount.nano > 0 && size / price.per > max_amount_nano / price.amount.nano) {
    return invalid("an amount beyond 10^15 units");
  }
  return {};
}

Result<Money> in_range(Money money) {
  if (money.nano > max_amount_nano || money.nano < -max_amount_nano) {
    return invalid("an amount beyond 10^15 units");
  }
  return money;
}

}  // namespace

MeterUnit unit_of(Meter meter) {
  switch (meter) {
    case Meter::gpu_time: return {"GPU-hour", 1000 * hour_ns};
    case Meter::cpu_time: return {"core-hour", 1000 * hour_ns};
    case Meter::memory_time: return {"GiB-hour", 1024 * hour_ns};
    case Meter::storage_time: return {"GiB-month", (Wide{1} << 30) * month_hours * hour_ns};
    case Meter::requests: return {"1000 requests", 1000};
    case Meter::input_tokens:
    case Meter::cached_input_tokens:
    case Meter::output_tokens:
    case Meter::reasoning_tokens: return {"1M tokens", 1'000'000};
  }
  return {"unknown", 1};
}

bool is_simulated(std::string_view sku) { return sku.starts_with(simulated_prefix); }

Result<void> check_sku(std::string_view sku) {
  if (!names_one_sku(sku)) return {};
  if (auto named = check_name(sku); !named) return std::move(named).error().at("sku");
  return {};
}

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& at) {
  return judge_publish(state, std::get<Publish>(command), at);
}

void apply(State& state, const Event& event, const Context&) {
  const Version& version = std::get<PriceBookPublished>(event).version;
  state.books[version.book].push_back(version);
  state.places[version.id] = {version.book, version.number};
}

const Version* find(const State& state, PriceBookId id) {
  const auto place = state.places.find(id);
  if (place == state.places.end()) return nullptr;
  return &state.books.at(place->second.book).at(place->second.number - 1);
}

const Version* in_force(const State& state, std::string_view book, Instant at) {
  const auto found = state.books.find(std::string(book));
  if (found == state.books.end()) return nullptr;
  const auto after = std::ranges::upper_bound(found->second, at, {}, &Version::effective_from);
  return after == found->second.begin() ? nullptr : &*std::prev(after);
}

std::vector<Instant> changes_between(const State& state, std::string_view book, Instant from,
                                     Instant until) {
  std::vector<Instant> changes;
  const auto found = state.books.find(std::string(book));
  if (found == state.books.end()) return changes;
  auto next = std::ranges::upper_bound(found->second, from, {}, &Version::effective_from);
  for (; next != found->second.end() && next->effective_from < until; ++next) {
    changes.push_back(next->effective_from);
  }
  return changes;
}

const Price* find_price(const Version& version, Meter meter, std::string_view sku) {
  const auto exact = [&](std::string_view name) -> const Price* {
    const auto key = std::pair(meter, name);
    const auto at = std::ranges::lower_bound(version.prices, key, {}, [](const Price& price) {
      return std::pair(price.meter, std::string_view(price.sku));
    });
    const bool found = at != version.prices.end() && at->meter == meter && at->sku == name;
    return found ? &*at : nullptr;
  };
  if (const Price* price = exact(sku); price != nullptr) return price;
  return exact(is_simulated(sku) ? any_simulated_sku : any_sku);
}

Result<Money> rate(const Price& price, Wide quantity) {
  TRY(check_range(price, quantity));
  return in_range({scale(quantity, price.amount.nano, price.per), price.amount.currency});
}

Result<Money> hold_amount(const Price& price, Wide quantity) {
  TRY(check_range(price, quantity));
  return in_range({scale_up(quantity, price.amount.nano, price.per), price.amount.currency});
}

const Price& budget_rate(const Price& price) { return price; }

}  // namespace bessemer::pricing
