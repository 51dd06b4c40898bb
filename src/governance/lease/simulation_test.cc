// Many holders and one lender in a bad world: messages lost, repeated and late, processes killed
// and stopped. Never more is spent than the budgets allow, every hold resolves, every cent can be
// spent, and what is billed is what was durable.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <span>

#include "base/random.h"
#include "governance/lease/holder.h"

namespace bessemer::lease {
namespace {

constexpr Currency usd{{'U', 'S', 'D'}};
constexpr OrgId tenant{1, 1}, project{1, 2};
constexpr KeyId keys[] = {{2, 1}, {2, 2}};
constexpr BudgetId tenant_money{3, 1}, key_money{3, 2}, tenant_tokens{3, 3};
constexpr Instant start{1'800'000'000'000'000'000};

// The daemon: budgets, leases, metering and prices, moved in whole batches as the factory does.
struct Daemon {
  budget::State budgets;
  State leases;
  metering::State usage;
  pricing::State prices;
  struct Shipped {
    metering::Log log;
    std::size_t offset = 0;
  };
  std::map<EpochKey, Shipped> logs;
  Instant now = start;
  std::uint64_t seeds = 0;

  Context at() const { return {.now = now, .occurred_at = now}; }

  void set_budget(BudgetId id, Wide limit, SpendUnit unit = SpendUnit::money, KeyId key = {}) {
    const budget::Budget one{.id = id, .name = "b" + std::to_string(id.low),
                             .scope = {.node = tenant, .key = key}, .unit = unit,
                             .currency = unit == SpendUnit::money ? usd : Currency{},
                             .limit = limit};
    const auto events = budget::judge(budgets, budget::Set{one}, at());
    ASSERT_TRUE(events);
    for (const auto& event : *events) budget::apply(budgets, event, at());
  }
  void set_price(Wide nano, Wide per) {
    const pricing::Publish book{.id = {9, 1}, .name = "standard", .currency = usd,
                                .prices = {{pricing::Meter::output_tokens, "*", {nano, usd}, per}}};
    const auto published = pricing::judge(prices, book, at());
    ASSERT_TRUE(published);
    for (const auto& event : *published) pricing::apply(prices, event, at());
    const auto opened =
        metering::judge(usage, prices, metering::OpenAccount{tenant, "standard", "UTC", {}}, at());
    for (const auto& event : *opened) metering::apply(usage, event, at());
  }
  Result<Decision> give(const Command& command) {
    auto decision = judge(leases, budgets, command, at());
    if (!decision) return decision;
    for (const auto& event : decision->events) apply(leases, event, at());
    for (const auto& event : decision->budget_events) budget::apply(budgets, event, at());
    check_books();
    return decision;
  }
  // Records [from, ...) of a log: counted, rated and charged in one batch; what is known already
  // is skipped.
  void ship(GatewayId gateway, std::uint64_t epoch, std::size_t from,
            std::span<const LogRecord> records) {
    Shipped& shipped = logs[{gateway, epoch}];
    if (from > shipped.offset) return;  // a gap: an earlier range is still on its way
    metering::UsageSums sums;
    for (std::size_t i = shipped.offset - from; i < records.size(); ++i) {
      const auto folded = metering::fold(shipped.log, records[i]);
      ASSERT_TRUE(folded) << to_text(folded.error());
      if (*folded) sums.add(**folded);
      ++shipped.offset;
    }
    if (shipped.offset == 0) return;
    const auto usages = sums.usages(shipped.log);
    const auto rated =
        metering::judge(usage, prices,
                        metering::Record{metering::stream_of(gateway, epoch), shipped.offset,
                                         usages.usages},
                        at());
    ASSERT_TRUE(rated) << to_text(rated.error());
    if (rated->empty()) return;
    const auto& postings = metering::postings_of(rated->front());
    const auto counted = give(Report{gateway, epoch, shipped.offset,
                                     metered_charges(shipped.log, usages, postings)});
    ASSERT_TRUE(counted) << to_text(counted.error());
    metering::apply(usage, rated->front(), at());
  }
  budget::Counters counters(BudgetId id) const {
    const auto& one = budgets.budgets.at(id);
    return budget::counters_of(budgets, id, budget::window_of(budgets, one, now).from);
  }
  void check_books() const {
    ASSERT_EQ(audit(leases, budgets), "");
    for (const auto& [id, one] : budgets.budgets) {
      const budget::Counters sums = counters(id);
      ASSERT_LE(sums.used + sums.held + sums.leased, one.limit);
    }
  }
  Wide billed() const {
    Wide sum = 0;
    for (const auto& [key, line] : usage.lines) sum += line.amount.nano;
    return sum;
  }
};

// A gateway process. Its log has a durable part; the rest is lost when it is killed.
struct Gateway {
  GatewayId id;
  std::uint64_t epoch = 0;
  Holder holder;
  std::vector<LogRecord> log;
  std::size_t durable = 0, acknowledged = 0;
  Duration boot = seconds(1000);
  std::map<KeyId, std::uint32_t> terms;
  std::uint64_t requests = 0;

  void start_epoch(Daemon& daemon) {
    ++epoch;
    ASSERT_TRUE(daemon.give(OpenEpoch{id, epoch}));
    holder = {};
    log.clear();
    terms.clear();
    durable = acknowledged = 0;
    write(open_log(id, epoch, daemon.now));
    renew(holder, boot);
  }
  void write(const LogRecord& record) {
    apply(holder, record);
    log.push_back(record);
  }
  void sync() { durable = log.size(); }
  void ship_durable(Daemon& daemon) {
    if (acknowledged == durable) return;
    daemon.ship(id, epoch, acknowledged,
                std::span(log).subspan(acknowledged, durable - acknowledged));
    acknowledged = durable;
  }
  budget::Spender spender(KeyId key) const { return {.path = {tenant, project}, .key = key}; }
  // The lender's answer: takes the leases and fixes the terms of the key's requests.
  void answered(const Daemon& daemon, KeyId key, const std::vector<Lease>& leases) {
    for (const auto& record : take(holder, leases)) write(record);
    if (terms.contains(key)) return;
    for (const Lease& lease : leases) {
      if (!holder.log.leases.contains(lease.id)) return;
    }
    if (leases.size() != budget::matching(daemon.budgets, spender(key)).size()) return;
    metering::Terms one{.payer = {tenant, project, key}, .subject = {}, .sku = "tiny",
                        .version = {9, 1}, .prices = {}, .leases = {}};
    one.prices = {daemon.prices.books.at("standard").front().prices};
    std::erase_if(one.prices, [](const auto& price) { return price.sku != "*"; });
    for (const Lease& lease : leases) one.leases.push_back(lease.id);
    const auto defined = define_terms(holder, one);
    ASSERT_TRUE(defined);
    terms[key] = holder.log.next_terms;
    write(*defined);
  }
  Borrow borrow(Daemon& daemon, KeyId key, const Opening& opening) {
    Ask ask;
    if (const auto known = terms.find(key); known != terms.end()) {
      ask = *ask_for(holder, holder.log.terms.at(known->second), opening);
    } else {
      metering::Terms bare{.prices = daemon.prices.books.at("standard").front().prices};
      std::erase_if(bare.prices, [](const auto& price) { return price.sku != "*"; });
      ask = *ask_for(holder, bare, opening);
    }
    return {.gateway = id, .epoch = epoch, .seed = {5, ++daemon.seeds * 1000},
            .spender = spender(key), .need = ask.need, .idle = ask.idle};
  }
};

// ---- the deciding test: a thousand requests of $0.10 against $5.00

struct Tally {
  int served = 0;    // the client saw the whole answer
  int refused = 0;   // told that the budget is exhausted
  int broken = 0;    // its gateway was killed before the settlement was durable
  int unheard = 0;   // killed after that, before the last byte
};

// Requests arrive at random gateways, are answered at random moments; one step in `kills` (0: none)
// kills a gateway, whose log is then recovered by its successor.
class Rush {
 public:
  Rush(std::uint64_t seed, std::size_t gateways, std::uint64_t kills)
      : random_(seed), kills_(kills), all_(gateways) {
    daemon_.set_budget(tenant_money, Wide{5} * nano_per_unit);
    daemon_.set_price(100'000'000, 1);
    for (std::size_t i = 0; i < gateways; ++i) {
      all_[i].id = {4, i + 1};
      all_[i].start_epoch(daemon_);
    }
    for (int i = 0; i < 1000; ++i) waiting_.push_back({random_.below(gateways), 0});
  }

  Tally run() {
    for (int turn = 0; !waiting_.empty() || !open_.empty(); ++turn) {
      if (turn > 100'000) return tally_;  // somebody waits for ever
      if (kills_ != 0 && random_.chance(1, kills_)) kill(random_.below(all_.size()));
      const bool answer = waiting_.empty() || (!open_.empty() && random_.chance(1, 3));
      if (answer && !open_.empty()) serve();
      else if (!waiting_.empty()) admit();
    }
    return tally_;
  }
  const Daemon& daemon() const { return daemon_; }

 private:
  struct Client { std::size_t gateway; std::uint64_t hold = 0; };

  void serve() {
    const Client done = open_.front();
    open_.pop_front();
    Gateway& gateway = all_[done.gateway];
    gateway.write(*settle(gateway.holder, done.hold, {.output = 1}, false, daemon_.now));
    gateway.sync();
    if (kills_ != 0 && random_.chance(1, 20)) {  // durable, but the last byte never leaves
      ++tally_.unheard;
      kill(done.gateway);
      return;
    }
    if (random_.chance(1, 2)) gateway.ship_durable(daemon_);
    ++tally_.served;
  }
  Opening opening(Gateway& gateway, KeyId key) {
    const auto known = gateway.terms.find(key);
    return {.request = {6, ++gateway.requests},
            .terms = known == gateway.terms.end() ? 0 : known->second,
            .first = {.output = 1}, .slice = {}};
  }
  void answer_recalls() {
    for (Gateway& other : all_) {
      for (const Lease& lease : recalled(daemon_.leases, other.id)) {
        for (const auto& record : take(other.holder, {lease})) other.write(record);
        for (const auto& record : give_back(other.holder, lease.id)) other.write(record);
        other.sync();
        EXPECT_TRUE(daemon_.give(reduced(other.holder, lease.id)));
      }
      other.ship_durable(daemon_);
    }
  }
  void admit() {
    Client client = waiting_.front();
    waiting_.pop_front();
    Gateway& gateway = all_[client.gateway];
    const KeyId key = keys[random_.below(2)];
    auto opened = lease::open(gateway.holder, opening(gateway, key), daemon_.now, gateway.boot);
    if (!opened) {
      const auto lent = daemon_.give(gateway.borrow(daemon_, key, opening(gateway, key)));
      if (!lent) {
        EXPECT_EQ(lent.error().reason, "budget_exhausted");
        ++tally_.refused;
        return;
      }
      gateway.answered(daemon_, key, lent->leases);
      answer_recalls();
      opened = lease::open(gateway.holder, opening(gateway, key), daemon_.now, gateway.boot);
    }
    if (!opened) {  // it waits; others may settle meanwhile
      waiting_.push_back(client);
      return;
    }
    client.hold = gateway.holder.log.next_hold;
    gateway.write(*opened);
    if (random_.chance(1, 2)) gateway.sync();
    open_.push_back(client);
  }
  void kill(std::size_t index) {
    Gateway& gateway = all_[index];
    std::vector<LogRecord> disk(gateway.log.begin(), gateway.log.begin() +
                                                         static_cast<std::ptrdiff_t>(
                                                             gateway.durable));
    const GatewayId id = gateway.id;
    const std::uint64_t epoch = gateway.epoch;
    const auto before = open_.size();
    std::erase_if(open_, [&](const Client& client) { return client.gateway == index; });
    tally_.broken += static_cast<int>(before - open_.size());
    gateway.start_epoch(daemon_);
    metering::Log log;
    for (const auto& record : disk) ASSERT_TRUE(metering::fold(log, record));
    if (!disk.empty()) {
      for (const auto& record : recover(log, daemon_.now)) disk.push_back(record);
      daemon_.ship(id, epoch, 0, disk);
    }
    ASSERT_TRUE(daemon_.give(Close{id, epoch, disk.size()}));
  }

  Random random_;
  std::uint64_t kills_;
  Daemon daemon_;
  std::vector<Gateway> all_;
  std::deque<Client> waiting_, open_;
  Tally tally_;
};

TEST(LeaseSimulation, AThousandTenCentRequestsAgainstFiveDollarsGiveExactlyFifty) {
  for (const std::size_t gateways : {1u, 2u, 4u, 7u}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      Rush rush(seed, gateways, 0);
      const Tally tally = rush.run();
      ASSERT_EQ(tally.served, 50) << gateways << " gateways, seed " << seed;
      ASSERT_EQ(tally.refused, 950);
      ASSERT_EQ(rush.daemon().billed(), Wide{5} * nano_per_unit);
      ASSERT_EQ(rush.daemon().counters(tenant_money).used, Wide{5} * nano_per_unit);
    }
  }
}

TEST(LeaseSimulation, WithKillsFiftyAreBilledAndAllButTheUnheardAreComplete) {
  int unheard = 0, broken = 0;
  for (const std::size_t gateways : {1u, 4u}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Rush rush(seed, gateways, 40);
      const Tally tally = rush.run();
      ASSERT_EQ(rush.daemon().billed(), Wide{5} * nano_per_unit) << "seed " << seed;
      ASSERT_EQ(tally.served + tally.unheard, 50);
      ASSERT_EQ(tally.refused + tally.broken, 950);
      unheard += tally.unheard;
      broken += tally.broken;
    }
  }
  EXPECT_GT(unheard, 20);
  EXPECT_GT(broken, 50);
}

// ---- any history

struct World {
  Random random;
  Daemon daemon;
  std::vector<Gateway> all;
  std::vector<std::function<void()>> network;  // messages under way
  std::uint64_t answered = 0;  // clients that saw a whole answer: its settlement was durable
  std::map<EpochKey, std::vector<LogRecord>> disks;  // logs of dead processes
  std::uint64_t settled = 0, partial = 0, voided = 0, exhausted = 0, waited = 0;

  explicit World(std::uint64_t seed) : random(seed) {
    daemon.set_budget(tenant_money, random.between(100, 6'000));
    daemon.set_budget(key_money, random.between(100, 3'000), SpendUnit::money, keys[0]);
    daemon.set_budget(tenant_tokens, random.between(10, 200), SpendUnit::tokens);
    daemon.set_price(75, 2);  // 37.5 nano a token: rounding matters
    all.resize(1 + random.below(4));
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].id = {4, i + 1};
      all[i].boot = seconds(static_cast<std::int64_t>(i) * 1000);
      all[i].start_epoch(daemon);
    }
  }

  // Late, lost or repeated; never in order.
  void send(std::function<void()> message) {
    if (random.chance(1, 8)) return;
    if (random.chance(1, 8)) network.push_back(message);
    network.push_back(std::move(message));
  }
  void deliver() {
    if (network.empty()) return;
    const std::size_t which = random.below(network.size());
    const auto message = std::move(network[which]);
    network.erase(network.begin() + static_cast<std::ptrdiff_t>(which));
    message();
  }
  // A message to a process that has been replaced since reaches nobody.
  void to_gateway(std::size_t index, std::uint64_t epoch, std::function<void(Gateway&)> act) {
    send([this, index, epoch, act] {
      if (all[index].epoch == epoch) act(all[index]);
    });
  }

  void request(std::size_t index) {
    Gateway& gateway = all[index];
    const KeyId key = keys[random.below(2)];
    const auto known = gateway.terms.find(key);
    const Opening opening{.request = {6, ++gateway.requests},
                          .terms = known == gateway.terms.end() ? 0 : known->second,
                          .first = {.output = 1 + random.below(6)},
                          .slice = {.output = random.below(2) * 3}};
    const auto held = lease::open(gateway.holder, opening, daemon.now, gateway.boot);
    if (held) {
      gateway.write(*held);
      return;
    }
    const Borrow borrow = gateway.borrow(daemon, key, opening);
    const Duration asked = gateway.boot;
    const std::uint64_t epoch = gateway.epoch;
    send([this, index, borrow, key, asked, epoch] {
      const auto lent = daemon.give(borrow);
      exhausted += !lent && lent.error().reason == "budget_exhausted" ? 1u : 0u;
      if (!lent) return;
      waited += lent->outcome == Outcome::wait ? 1u : 0u;
      to_gateway(index, epoch, [this, key, asked, lent](Gateway& to) {
        renew(to.holder, asked);
        to.answered(daemon, key, lent->leases);
      });
    });
  }
  void step_hold(std::size_t index) {
    Gateway& gateway = all[index];
    const auto& holds = gateway.holder.log.holds;
    if (holds.empty()) return;
    const auto which = static_cast<std::ptrdiff_t>(random.below(holds.size()));
    const auto at = std::next(holds.begin(), which);
    const std::uint64_t number = at->first;
    const std::uint64_t held = at->second.tokens;
    switch (random.below(6)) {
      case 0: case 1: case 2:
        if (at->second.slice_tokens != 0) {
          const auto more = extend(gateway.holder, number, {.output = held},
                                   {.output = held + at->second.slice_tokens},
                                   {.output = random.below(2) * 3}, gateway.boot);
          if (more) gateway.write(*more);
        }
        break;
      case 3:
        gateway.write(*void_hold(gateway.holder, number, metering::VoidReason::upstream_failed));
        break;
      default:
        gateway.write(*settle(gateway.holder, number, {.output = random.below(held + 1)},
                              random.chance(1, 9), daemon.now));
        gateway.sync();
        ++answered;
    }
  }
  void ship(std::size_t index) {
    Gateway& gateway = all[index];
    const std::size_t from = gateway.acknowledged, until = gateway.durable;
    const std::vector<LogRecord> range(gateway.log.begin() + static_cast<std::ptrdiff_t>(from),
                                       gateway.log.begin() + static_cast<std::ptrdiff_t>(until));
    const std::uint64_t epoch = gateway.epoch;
    send([this, index, epoch, from, range] {
      daemon.ship(all[index].id, epoch, from, range);
      to_gateway(index, epoch, [this, epoch](Gateway& to) {
        to.acknowledged = std::max(to.acknowledged, daemon.logs[{to.id, epoch}].offset);
      });
    });
  }
  void recalls(std::size_t index) {
    for (const Lease& lease : recalled(daemon.leases, all[index].id)) {
      to_gateway(index, lease.epoch, [this, lease](Gateway& to) {
        for (const auto& record : take(to.holder, {lease})) to.write(record);
        if (!to.holder.log.leases.contains(lease.id)) return;
        for (const auto& record : give_back(to.holder, lease.id)) to.write(record);
        to.sync();
        const Reduce answer = reduced(to.holder, lease.id);
        send([this, answer] { (void)daemon.give(answer); });
      });
    }
  }
  void kill(std::size_t index) {
    Gateway& gateway = all[index];
    gateway.log.resize(gateway.durable);
    disks[{gateway.id, gateway.epoch}] = gateway.log;
    gateway.start_epoch(daemon);
  }
  // Under the lock of its directory: the process is dead, its log is whole.
  void recover_one(const EpochKey& key) {
    auto& records = disks.at(key);
    metering::Log log;
    for (const auto& record : records) ASSERT_TRUE(metering::fold(log, record));
    if (!log.gateway) {  // killed before its first sync: nothing was ever lent against this log
      ASSERT_TRUE(daemon.give(Close{key.first, key.second, daemon.logs[key].offset}));
    } else {
      for (const auto& record : recover(log, daemon.now)) {
        ASSERT_TRUE(metering::fold(log, record));
        records.push_back(record);
      }
      daemon.ship(key.first, key.second, 0, records);
      ASSERT_TRUE(daemon.give(Close{key.first, key.second, records.size()}));
      settled += log.settled;
      partial += log.partial;
      voided += log.voided;
      ASSERT_TRUE(log.holds.empty());
      ASSERT_EQ(log.settled + log.partial + log.voided + 1, log.next_hold);
    }
    disks.erase(key);
  }

  void step() {
    const std::size_t index = random.below(all.size());
    Gateway& gateway = all[index];
    switch (random.below(20)) {
      case 0: case 1: case 2: case 3: case 4: request(index); break;
      case 5: case 6: case 7: case 8: step_hold(index); break;
      case 9: gateway.sync(); break;
      case 10: case 11: ship(index); break;
      case 12: recalls(index); break;
      case 13: gateway.boot = gateway.boot + seconds(random.between(0, 8)); break;
      case 14:
        if (random.chance(1, 10)) gateway.boot = gateway.boot + minutes(5);  // stopped, resumed
        break;
      case 15:
        if (random.chance(1, 6)) kill(index);
        break;
      case 16:
        if (!disks.empty()) recover_one(disks.begin()->first);
        break;
      default: deliver();
    }
  }
  void end() {
    while (!network.empty()) deliver();
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].sync();
      kill(i);
    }
    while (!disks.empty()) recover_one(disks.begin()->first);
  }
};

TEST(LeaseSimulation, NoHistoryOverspendsLosesOrLeaks) {
  std::uint64_t answered = 0, partial = 0, voided = 0, exhausted = 0, waited = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    World world(seed);
    for (int i = 0; i < 1500; ++i) {
      world.step();
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed;
    }
    world.end();
    ASSERT_EQ(audit(world.daemon.leases, world.daemon.budgets), "");
    ASSERT_EQ(metering::audit(world.daemon.usage, world.daemon.prices), "");
    Wide tokens = 0, first_key = 0;
    for (const auto& [key, line] : world.daemon.usage.lines) {
      tokens += line.quantity;
      first_key += key.key == keys[0] ? line.amount.nano : Wide{0};
    }
    const budget::Counters money = world.daemon.counters(tenant_money);
    ASSERT_EQ(money.leased, 0) << seed;
    ASSERT_EQ(money.used, world.daemon.billed()) << seed;  // budget and bill agree to the nano
    ASSERT_EQ(world.daemon.counters(tenant_tokens).used, tokens) << seed;
    ASSERT_EQ(world.daemon.counters(key_money).used, first_key) << seed;
    ASSERT_EQ(world.settled, world.answered) << seed;  // answered in full = billed, once
    answered += world.answered;
    partial += world.partial;
    voided += world.voided;
    exhausted += world.exhausted;
    waited += world.waited;
  }
  // Every branch was reached, and often.
  EXPECT_GT(answered, 1500u);
  EXPECT_GT(partial, 50u);
  EXPECT_GT(voided, 300u);
  EXPECT_GT(exhausted, 1000u);
  EXPECT_GT(waited, 1000u);
}

}  // namespace
}  // namespace bessemer::lease
