// Cuts and rates usage.
#include "governance/metering/posting.h"

#include <algorithm>
#include <utility>

namespace bessemer::metering {
namespace {

// 2261-01-01: what the text form of an Instant can say.
constexpr Instant last_instant{9'183'110'400'000'000'000};

bool sane(Instant at) { return at.ns >= 0 && at <= last_instant; }

// The amount of a line: 0 where no price is known. Errors: invalid (out of range).
Result<Wide> rated(const pricing::Price* price, Wide quantity) {
  if (quantity > pricing::max_quantity || quantity < -pricing::max_quantity) {
    return invalid("a line's quantity beyond 10^37 base units");
  }
  if (price == nullptr) return Wide{0};
  TRY_ASSIGN(const Money money, pricing::rate(*price, quantity));
  return money.nano;
}

}  // namespace

Result<void> check_usage(const Usage& usage) {
  if (!usage.payer.tenant) return invalid("must not be empty").at("payer.tenant");
  if (!usage.payer.project) return invalid("must not be empty").at("payer.project");
  TRY(pricing::check_sku(usage.sku));
  if (!sane(usage.from) || !sane(usage.until)) {
    return invalid("must be from 1970 to 2260").at("from");
  }
  if (is_time(usage.meter)) {
    if (usage.amount < 0 || usage.amount > max_level) {
      return invalid("must be a level of 0 to 2^62").at("amount");
    }
    if (usage.until < usage.from) return invalid("must not be before from").at("until");
    return {};
  }
  if (usage.amount < 0 || usage.amount > max_count) {
    return invalid("must be a count of 0 to 2^62").at("amount");
  }
  if (usage.until != usage.from) return invalid("must be the moment of the count").at("until");
  return {};
}

Result<void> check_levels(const std::vector<Level>& levels) {
  if (levels.size() > max_levels) return invalid("must hold at most 16 levels").at("levels");
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const Level& one = levels[i];
    const auto checked = [&]() -> Result<void> {
      if (!is_time(one.meter)) return invalid("must be a time meter").at("meter");
      TRY(pricing::check_sku(one.sku));
      if (one.level < 0 || one.level > max_level) return invalid("must be 0 to 2^62").at("level");
      return {};
    }();
    if (!checked) return Error(checked.error()).within("levels[" + std::to_string(i) + "]");
  }
  return {};
}

// The longest piece from `from` in which month, book and price version stay the same.
Poster::Piece Poster::piece_at(const Account& account, Instant from, Instant until) const {
  until = std::min(until, period_of(state_, account, from).until);
  for (const BookChoice& choice : account.books) {
    if (choice.from > from) until = std::min(until, choice.from);
  }
  const std::string_view book = book_at(account, from);
  const auto changes = pricing::changes_between(prices_, book, from, until);
  if (!changes.empty()) until = changes.front();
  return {from, until, pricing::in_force(prices_, book, from)};
}

Result<void> Poster::post(std::uint32_t index, const Account& account, const Usage& usage,
                          const Piece& piece, Wide quantity) {
  if (quantity == 0) return {};
  const Instant billed_at = std::max(piece.from, account.closed_until);
  LineKey key{.tenant = usage.payer.tenant,
              .period = period_of(state_, account, billed_at).from,
              .project = usage.payer.project,
              .key = usage.payer.key,
              .subject = usage.subject,
              .meter = usage.meter,
              .sku = usage.sku,
              .version = piece.version == nullptr ? PriceBookId{} : piece.version->id,
              .bearer = usage.payer.bearer};
  const pricing::Price* price =
      piece.version == nullptr ? nullptr
                               : pricing::find_price(*piece.version, usage.meter, usage.sku);
  const auto line = state_.lines.find(key);
  Wide& added = added_[key];
  const Wide before = (line == state_.lines.end() ? Wide{0} : line->second.quantity) + added;
  TRY_ASSIGN(const Wide amount_before, rated(price, before));
  TRY_ASSIGN(const Wide amount_after, rated(price, before + quantity));
  added += quantity;
  Posting posting{.usage = index, .line = std::move(key), .quantity = quantity,
                  .unpriced = price == nullptr, .from = piece.from, .until = piece.until};
  if (price != nullptr) {
    posting.amount = {amount_after - amount_before, price->amount.currency};
  }
  postings_.push_back(std::move(posting));
  return {};
}

Result<void> Poster::add_time(std::uint32_t index, const Account& account, const Usage& usage,
                              int sign) {
  std::size_t cuts = 0;
  for (Instant from = usage.from; from < usage.until;) {
    if (++cuts > max_cuts) return invalid("spans more than 1000 periods or price versions");
    Piece piece = piece_at(account, from, usage.until);
    if (usage.version) piece.version = pricing::find(prices_, usage.version);
    const Wide quantity = usage.amount * (piece.until - piece.from).ns * sign;
    TRY(post(index, account, usage, piece, quantity));
    from = piece.until;
  }
  return {};
}

Result<void> Poster::add(std::uint32_t index, const Usage& usage) {
  TRY(check_usage(usage));
  const Account* account = find(state_, usage.payer.tenant);
  if (account == nullptr) return not_found("the tenant has no account").at("payer.tenant");
  if (usage.version) {
    const pricing::Version* version = pricing::find(prices_, usage.version);
    const auto same_book = [&](const BookChoice& choice) { return choice.book == version->book; };
    if (version == nullptr || std::ranges::none_of(account->books, same_book)) {
      return invalid("must be a version of the tenant's price book").at("version");
    }
  }
  if (is_time(usage.meter)) return add_time(index, *account, usage, 1);
  Piece piece{usage.from, usage.from,
              usage.version ? pricing::find(prices_, usage.version)
                            : version_for(state_, prices_, usage.payer.tenant, usage.from)};
  return post(index, *account, usage, piece, usage.amount);
}

Result<void> Poster::add_levels(const Interval& interval, Instant from, Instant until, int sign) {
  if (!sane(from) || !sane(until)) return invalid("must be from 1970 to 2260").at("at");
  const Account* account = find(state_, interval.payer.tenant);
  if (account == nullptr) return not_found("the tenant has no account").at("payer.tenant");
  std::uint32_t index = 0;
  for (const Level& level : interval.levels) {
    const Usage usage{.payer = interval.payer, .subject = interval.subject, .meter = level.meter,
                      .sku = level.sku, .amount = level.level, .from = from, .until = until,
                      .version = {}};
    TRY(add_time(index++, *account, usage, sign));
  }
  return {};
}

}  // namespace bessemer::metering
