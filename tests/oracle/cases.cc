// Makes random price books and usage, rates them twice, and writes all of it for the oracle.
//
//   oracle_cases cases COUNT SEED   one JSON object a line: the book, the usage, and the lines that
//                                   streaming and batch rating made of them
//   oracle_cases export DIR SEED    statement.csv and prices.csv of one month, as users export them
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/random.h"
#include "governance/billing/billing.h"
#include "governance/metering/metering.h"
#include "governance/pricing/pricing.h"

namespace {

using namespace bessemer;
using pricing::Meter;

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{1, 1};
const Instant start = from_civil({.year = 2026, .month = 1, .day = 20});

struct RatedLine {
  std::string project, meter, sku, version;
  Instant period;
  Wide quantity = 0;
  std::string currency;
  Wide nano = 0;
};
DESCRIBE(RatedLine, project, meter, sku, version, period, quantity, currency, nano)

struct Case {
  std::vector<pricing::Version> versions;
  std::vector<metering::Usage> usages;
  std::vector<RatedLine> streamed, batched;
};
DESCRIBE(Case, versions, usages, streamed, batched)

struct Factory {
  pricing::State prices;
  metering::State usage;
  Context at{.now = start, .occurred_at = start};

  void publish(const pricing::Publish& book) {
    const auto events = pricing::judge(prices, book, at);
    check(events.has_value(), "oracle: a book was refused");
    for (const auto& event : *events) pricing::apply(prices, event, at);
  }
  void give(const metering::Command& command) {
    const auto events = metering::judge(usage, prices, command, at);
    check(events.has_value(), "oracle: usage was refused");
    for (const auto& event : *events) metering::apply(usage, event, at);
  }
};

constexpr Meter meters[] = {Meter::gpu_time, Meter::cpu_time, Meter::memory_time,
                            Meter::storage_time, Meter::input_tokens, Meter::cached_input_tokens,
                            Meter::output_tokens, Meter::reasoning_tokens, Meter::requests};
const char* const skus[] = {"small", "large", "sim-small"};

// Sizes of every order of magnitude, so that rounding and wide products are met.
Wide any_size(Random& random, unsigned bits) {
  const auto low = static_cast<Wide>(random.next());
  const auto high = static_cast<Wide>(random.next() >> 1) << 64;
  return (high | low) >> (127 - random.below(bits));
}

pricing::Publish any_book(Random& random, std::uint64_t number) {
  pricing::Publish book{.id = {9, number}, .name = "book", .currency = usd,
                        .effective_from = std::nullopt, .prices = {}};
  for (const Meter meter : meters) {
    for (const char* const sku : {"small", "*", "sim-*"}) {
      if (random.chance(1, 6)) continue;  // no price: such usage is unpriced
      const bool simulated = pricing::is_simulated(sku);
      pricing::PriceSpec price{meter, sku, {any_size(random, 36), usd}, std::nullopt};
      if (simulated) price.amount.currency = simulated_currency;
      // Half of the divisors are small and even, so that ties are met.
      if (random.chance(1, 2)) price.per = 2 + 2 * static_cast<Wide>(random.below(50));
      else if (random.chance(1, 2)) price.per = 1 + any_size(random, 60);
      const bool time = pricing::is_time(meter);
      if (time && price.per) price.per = *price.per * hours(1).ns;  // else sums beyond 10^15 units
      book.prices.push_back(price);
    }
  }
  if (book.prices.empty()) book.prices.push_back({Meter::requests, "*", {1, usd}, std::nullopt});
  return book;
}

metering::Usage any_usage(Random& random) {
  metering::Usage usage{.payer = {tenant, {1, 2 + random.below(2)}, {}}, .subject = {},
                        .meter = meters[random.below(std::size(meters))],
                        .sku = skus[random.below(std::size(skus))], .amount = 0, .from = {},
                        .until = {}, .version = {}};
  const bool time = pricing::is_time(usage.meter);
  usage.amount = any_size(random, time ? 20 : 40);
  usage.from = start + nanoseconds(random.between(0, days(25).ns));
  usage.until = time ? usage.from + nanoseconds(random.between(0, days(20).ns)) : usage.from;
  return usage;
}

// One usage in pieces: the whole is their sum.
std::vector<metering::Usage> in_pieces(Random& random, const metering::Usage& whole) {
  std::vector<metering::Usage> pieces;
  metering::Usage rest = whole;
  while (random.chance(2, 3)) {
    metering::Usage piece = rest;
    if (pricing::is_time(whole.meter)) {
      piece.until = rest.from + nanoseconds(random.between(0, (rest.until - rest.from).ns));
      rest.from = piece.until;
    } else {
      piece.amount = rest.amount == 0 ? Wide{0} : any_size(random, 40) % (rest.amount + 1);
      rest.amount -= piece.amount;
    }
    pieces.push_back(piece);
  }
  pieces.push_back(rest);
  return pieces;
}

RatedLine rated(const metering::LineKey& key, Wide quantity, const pricing::State& prices) {
  RatedLine line{to_text(key.project), std::string(enum_text(key.meter)), key.sku,
                 to_text(key.version), key.period, quantity, "XXX", 0};
  const pricing::Version* version = pricing::find(prices, key.version);
  const pricing::Price* price =
      version == nullptr ? nullptr : pricing::find_price(*version, key.meter, key.sku);
  if (price == nullptr) return line;
  const auto money = pricing::rate(*price, quantity);
  check(money.has_value(), "oracle: an amount was refused");
  line.currency = to_text(money->currency);
  line.nano = money->nano;
  return line;
}

Case any_case(std::uint64_t seed) {
  Random random(seed);
  Factory factory;
  factory.publish(any_book(random, 1));
  Instant next = start;
  for (std::uint64_t number = 2; random.chance(1, 2); ++number) {
    next = next + minutes(12) + nanoseconds(random.between(0, days(15).ns));
    pricing::Publish book = any_book(random, number);
    book.effective_from = next;
    factory.publish(book);
  }
  factory.give(metering::OpenAccount{tenant, "book", "UTC", std::nullopt});
  Case out{.versions = factory.prices.books.at("book"), .usages = {}, .streamed = {},
           .batched = {}};
  std::uint64_t sequence = 0;
  for (std::uint64_t n = 1 + random.below(12); n > 0; --n) {
    out.usages.push_back(any_usage(random));
    for (const auto& piece : in_pieces(random, out.usages.back())) {
      factory.give(metering::Record{"pieces", ++sequence, {piece}});
    }
  }
  // Streaming: the sums of the postings. Batch: the aggregates, rated at once.
  for (const auto& [key, line] : factory.usage.lines) {
    out.streamed.push_back({to_text(key.project), std::string(enum_text(key.meter)), key.sku,
                            to_text(key.version), key.period, line.quantity,
                            to_text(line.amount.currency), line.amount.nano});
    out.batched.push_back(rated(key, line.quantity, factory.prices));
  }
  return out;
}

int write_cases(std::uint64_t count, std::uint64_t seed) {
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string line = json::write(any_case(seed + i)) + "\n";
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) return 1;
  }
  return 0;
}

int write_export(const std::string& folder, std::uint64_t seed) {
  Random random(seed);
  Factory factory;
  factory.publish(any_book(random, 1));
  factory.give(metering::OpenAccount{tenant, "book", "UTC", std::nullopt});
  for (std::uint64_t i = 1; i <= 300; ++i) {
    metering::Usage usage = any_usage(random);
    if (pricing::is_time(usage.meter) && random.chance(1, 4)) {  // a shared endpoint's replica
      usage.payer.bearer = metering::Bearer::endpoint;
      usage.subject.endpoint = {7, 1};
    }
    factory.give(metering::Record{"export", i, {usage}});
  }
  const auto statement = billing::statement({}, factory.usage, tenant, start);
  check(statement.has_value(), "oracle: no statement");
  std::ofstream(folder + "/statement.csv", std::ios::binary) << billing::statement_csv(*statement);
  std::ofstream(folder + "/prices.csv", std::ios::binary) << billing::prices_csv(factory.prices);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc == 4 ? argv[1] : "";
  if (what == "cases") {
    return write_cases(std::strtoull(argv[2], nullptr, 10), std::strtoull(argv[3], nullptr, 10));
  }
  if (what == "export") return write_export(argv[2], std::strtoull(argv[3], nullptr, 10));
  std::fprintf(stderr, "usage: oracle_cases cases COUNT SEED | export FOLDER SEED\n");
  return 2;
}
