// Price books: immutable versions of what each meter costs, and the one rule that rates a quantity.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/describe.h"
#include "base/fact.h"
#include "base/id.h"
#include "base/money.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wide.h"

namespace bessemer::pricing {

// What is counted, each in one base unit. Time meters are a level held over time: level x ns.
enum class Meter : std::uint8_t {
  gpu_time,             // milli-GPU x ns
  cpu_time,             // milli-core x ns
  memory_time,          // MiB x ns
  storage_time,         // byte x ns
  input_tokens,         // tokens that were not cached
  cached_input_tokens,  // tokens
  output_tokens,        // tokens that were not reasoning
  reasoning_tokens,     // tokens
  requests,             // requests
};
DESCRIBE_ENUM(Meter, gpu_time, cpu_time, memory_time, storage_time, input_tokens,
              cached_input_tokens, output_tokens, reasoning_tokens, requests)

constexpr bool is_time(Meter meter) { return meter <= Meter::storage_time; }
constexpr bool is_tokens(Meter meter) {
  return meter >= Meter::input_tokens && meter <= Meter::reasoning_tokens;
}

// The unit people price a meter in: "GPU-hour" is 3.6 x 10^15 milli-GPU x ns.
struct MeterUnit {
  std::string_view name;
  Wide quantity = 1;
};
MeterUnit unit_of(Meter meter);

// Largest aggregate of one line in base units: 30 exabytes for 10 years in byte x ns.
constexpr Wide max_quantity = Wide{10'000'000'000'000'000'000u} * 1'000'000'000'000'000'000;
constexpr Wide max_per = max_quantity;
// Largest price of one `per`, and largest amount of one line: 10^15 units.
constexpr Wide max_amount_nano = max_money_nano;
constexpr std::size_t max_prices = 2000;         // of one version
constexpr std::size_t max_versions = 10'000;     // of one book
constexpr std::size_t max_books = 1000;
// One lease lifetime: no gateway holds at a price that is already out of force; see notice.h.
constexpr Duration price_notice = seconds(60);

// The sku that stands for every other one of a meter, real or simulated.
constexpr std::string_view any_sku = "*";
constexpr std::string_view any_simulated_sku = "sim-*";
// Simulated things have skus that start with "sim-", and only these are priced in SIM.
constexpr std::string_view simulated_prefix = "sim-";
bool is_simulated(std::string_view sku);
// Counted at zero because something else pays: tokens of a dedicated endpoint, whose owner pays
// its replicas' time. Every version prices tokens and requests of this sku at 0 by itself.
constexpr std::string_view included_sku = "included";
// A name of base/text.h, "*" or "sim-*". Errors: invalid.
Result<void> check_sku(std::string_view sku);

// `amount` for each `per` base units of the meter.
struct Price {
  Meter meter = Meter::gpu_time;
  std::string sku;
  Money amount;
  Wide per = 1;
  friend bool operator==(const Price&, const Price&) = default;
};
DESCRIBE(Price, meter, sku, amount, per)

// A price as it is asked for: without `per`, for one unit of the meter (unit_of).
struct PriceSpec {
  Meter meter = Meter::gpu_time;
  std::string sku;
  Money amount;
  std::optional<Wide> per;
  friend bool operator==(const PriceSpec&, const PriceSpec&) = default;
};
DESCRIBE(PriceSpec, meter, sku, amount, per)

// One immutable version; in force from `effective_from` until the next one's.
struct Version {
  PriceBookId id;
  std::string book;
  std::uint32_t number = 0;  // 1, 2, ... within the book
  Currency currency;
  Instant effective_from;
  Instant published_at;
  std::vector<Price> prices;  // by meter, then sku
  friend bool operator==(const Version&, const Version&) = default;
};
DESCRIBE(Version, id, book, number, currency, effective_from, published_at, prices)

struct VersionPlace {
  std::string book;
  std::uint32_t number = 0;
  friend bool operator==(const VersionPlace&, const VersionPlace&) = default;
};
DESCRIBE(VersionPlace, book, number)

struct State {
  std::map<std::string, std::vector<Version>> books;  // versions in order of effect
  std::map<PriceBookId, VersionPlace> places;
};
DESCRIBE(State, books, places)

// Publishes the next version of a book, or its first. `effective_from`: as far as notice.h says
// ahead and after the version before; left out: as soon as that allows. A first version may take
// effect at once, but not in the past.
struct Publish {
  static constexpr std::string_view tag = "publish_price_book";
  PriceBookId id;
  std::string name;
  Currency currency;  // of every real sku; never SIM
  std::optional<Instant> effective_from;
  std::vector<PriceSpec> prices;
};
DESCRIBE(Publish, id, name, currency, effective_from, prices)
using Command = std::variant<Publish>;

struct PriceBookPublished {
  static constexpr std::uint16_t fact = 0x0501;
  static constexpr std::string_view tag = "price_book_published";
  Version version;
  friend bool operator==(const PriceBookPublished&, const PriceBookPublished&) = default;
};
DESCRIBE(PriceBookPublished, version)
using Event = std::variant<PriceBookPublished>;

Result<std::vector<Event>> judge(const State& state, const Command& command, const Context& at);
void apply(State& state, const Event& event, const Context& at);

// ---- asking

const Version* find(const State& state, PriceBookId id);
// The version of `book` in force at a moment; null before the first.
const Version* in_force(const State& state, std::string_view book, Instant at);
// Moments strictly inside (from, until) at which another version of `book` takes effect.
std::vector<Instant> changes_between(const State& state, std::string_view book, Instant from,
                                     Instant until);
// The price of exactly this sku, else of "*" ("sim-*" for a simulated one). Null: unpriced, which
// is refused at admission or shown as unpriced, never taken as zero.
const Price* find_price(const Version& version, Meter meter, std::string_view sku);

// ---- rating

// The amount of an aggregate quantity: exact, rounded half to even once. Negative quantities
// (corrections) mirror positive ones. Errors: invalid (beyond max_quantity or max_amount_nano).
Result<Money> rate(const Price& price, Wide quantity);
// What to hold for a quantity: rounded up, so the rates of its parts never add up to more than
// the holds of the parts. Errors: as rate.
Result<Money> hold_amount(const Price& price, Wide quantity);
// The highest marginal price reachable in a period. Prices are flat, so it is the price itself.
const Price& budget_rate(const Price& price);

}  // namespace bessemer::pricing
