// What running costs, and who pays whom.
#include "application/factory/charge.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "application/factory/charged.h"
#include "application/factory/ladder.h"
#include "base/check.h"
#include "governance/pricing/notice.h"

namespace bessemer::factory {
namespace {

constexpr std::uint64_t mebibyte = 1 << 20;

struct Route {
  AccountId from, to;
  friend auto operator<=>(const Route&, const Route&) = default;
};

// Who earns what a tenant pays for a line: the platform, or the account of the endpoint, which is
// its owner's where it is published.
AccountId earner_of(const State& state, const metering::LineKey& line, Currency currency) {
  using ledger::AccountKind;
  const EndpointId endpoint = line.subject.endpoint;
  const OrgId platform;  // none: the platform's own accounts
  const AccountId rest = account_id(platform, AccountKind::revenue, currency);
  if (!endpoint || pricing::is_time(line.meter)) return rest;
  const AccountId shared = account_id(platform, AccountKind::revenue, currency, endpoint);
  const deployment::Endpoint* const found = deployment::find(state.deployment, endpoint);
  if (found == nullptr) {  // late news of an endpoint that is gone
    for (const auto& [id, account] : state.ledger.accounts) {
      const bool its = account.endpoint == endpoint && account.currency == currency;
      if (its && account.kind == AccountKind::revenue) return id;
    }
    return rest;
  }
  if (found->billing == deployment::Billing::published) {
    const OrgId owner = tenant::tenant_of(state.tenant, found->project);
    const AccountId published = account_id(owner, AccountKind::revenue, currency, endpoint);
    return ledger::find(state.ledger, published) != nullptr
               ? published
               : account_id(owner, AccountKind::revenue, currency);
  }
  return ledger::find(state.ledger, shared) != nullptr ? shared : rest;
}

// Who pays whom for one posting: see money.md, "Who pays".
Route route_of(const State& state, const metering::LineKey& line, Currency currency) {
  using ledger::AccountKind;
  const AccountId earner = earner_of(state, line, currency);
  if (line.bearer == metering::Bearer::endpoint) {
    return {account_id(line.tenant, AccountKind::endpoint_cost, currency, line.subject.endpoint),
            earner};
  }
  return {payer_account(state, line.tenant, currency), earner};
}

// Whether the replicas of an endpoint are borne by its cost account.
bool bears_replicas(const State& state, OrgId tenant, EndpointId id) {
  const deployment::Endpoint* const endpoint = deployment::find(state.deployment, id);
  if (endpoint == nullptr || endpoint->billing == deployment::Billing::dedicated) return false;
  return ledger::find(state.ledger, tenant, ledger::AccountKind::endpoint_cost,
                      simulated_currency, id) != nullptr;
}

}  // namespace

std::string sku_of(const site::Accelerator& accelerator) {
  std::string sku;
  for (const char c : accelerator.model) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper) sku += static_cast<char>(c - 'A' + 'a');
    else if (plain) sku += c;
    else if (!sku.empty() && sku.back() != '-') sku += '-';
  }
  while (sku.ends_with('-')) sku.pop_back();
  if (accelerator.simulated && !sku.starts_with(pricing::simulated_prefix)) {
    sku.insert(0, pricing::simulated_prefix);
  }
  return sku.substr(0, 63);
}

std::vector<metering::Level> levels_of(const State& state, const workload::Spec& spec,
                                       const workload::Placement& placement) {
  const site::Node* const node = site::find(state.site, placement.node);
  check(node != nullptr, "a placement names a node that is not there");
  std::map<std::string, Wide> gpus;
  for (const workload::Share& share : placement.accelerators) {
    check(share.index < node->inventory.accelerators.size(), "a share of no accelerator");
    gpus[sku_of(node->inventory.accelerators[share.index])] += share.milli;
  }
  std::vector<metering::Level> levels;
  for (const auto& [sku, milli] : gpus) {
    levels.push_back({pricing::Meter::gpu_time, sku, milli});
  }
  const workload::Shape shape = workload::shape_of(spec);
  levels.push_back({pricing::Meter::cpu_time, std::string(plain_sku), Wide{shape.cpu_millis}});
  levels.push_back({pricing::Meter::memory_time, std::string(plain_sku),
                    Wide{(shape.memory_bytes + mebibyte - 1) / mebibyte}});
  return levels;
}

metering::Payer payer_of(const State& state, const workload::Workload& workload) {
  metering::Payer payer;
  payer.project = workload.spec.project;
  payer.tenant = tenant::tenant_of(state.tenant, workload.spec.project);
  if (workload.spec.endpoint && bears_replicas(state, payer.tenant, *workload.spec.endpoint)) {
    payer.bearer = metering::Bearer::endpoint;
  }
  return payer;
}

metering::Subject subject_of_workload(const State& state, const workload::Workload& workload) {
  metering::Subject subject;
  subject.workload = workload.id;
  if (!workload.spec.endpoint) return subject;
  subject.endpoint = *workload.spec.endpoint;
  const deployment::Endpoint* const endpoint =
      deployment::find(state.deployment, subject.endpoint);
  if (endpoint == nullptr) return subject;
  const auto replica = endpoint->running.find(workload.id);
  if (replica == endpoint->running.end()) return subject;
  const auto* revision = deployment::find_revision(*endpoint, replica->second.revision);
  if (revision != nullptr && revision->runs.model_id) subject.model = *revision->runs.model_id;
  return subject;
}

std::vector<OrgId> spender_path(const State& state, OrgId project) {
  auto path = tenant::ancestors(state.tenant, project);
  std::reverse(path.begin(), path.end());
  if (!path.empty()) path.erase(path.begin());  // not the platform
  return path;
}

budget::Spender spender_of(const State& state, const workload::Workload& workload) {
  budget::Spender spender;
  spender.path = spender_path(state, workload.spec.project);
  const metering::Subject subject = subject_of_workload(state, workload);
  spender.endpoint = subject.endpoint;
  spender.model = subject.model;
  if (workload.spec.pipeline_run) {
    const pipeline::Run* const run = pipeline::find(state.pipeline, *workload.spec.pipeline_run);
    if (run != nullptr) spender.pipeline = run->pipeline;
  }
  spender.spares_wallet = payer_of(state, workload).bearer == metering::Bearer::endpoint;
  return spender;
}

budget::WorkloadClass class_of(const workload::Workload& workload) {
  if (workload.spec.kind == workload::Kind::service) return budget::WorkloadClass::service;
  if (workload.spec.preemptible.value_or(false)) return budget::WorkloadClass::preemptible;
  return budget::WorkloadClass::job;
}

Result<void> check_priced(const State& state, OrgId tenant,
                          const std::vector<metering::Level>& levels, Instant now) {
  const pricing::Version* const version =
      metering::version_for(state.metering, state.pricing, tenant, now);
  if (version == nullptr) return {};
  for (const metering::Level& level : levels) {
    if (pricing::find_price(*version, level.meter, level.sku) != nullptr) continue;
    return invalid("price book '" + version->book + "' has no price for " +
                   std::string(enum_text(level.meter)) + " of '" + level.sku + "'")
        .fix("publish a version that prices it")
        .because("unpriced");
  }
  return {};
}

namespace {

// Work is paid for up to here, and it ends by then.
constexpr Duration horizon = paid_quantum + paid_margin;
static_assert(pricing::time_price_notice >= horizon, "all prices up to there are published");

// The tenant's versions that are in force at some moment of [from, until), by their moments.
std::vector<const pricing::Version*> versions_in(const State& state, OrgId tenant, Instant from,
                                                 Instant until) {
  std::set<Instant> moments{from};
  if (const metering::Account* account = metering::find(state.metering, tenant)) {
    for (const metering::BookChoice& choice : account->books) {
      if (choice.from > from && choice.from < until) moments.insert(choice.from);
      const auto changes = pricing::changes_between(state.pricing, choice.book, from, until);
      moments.insert(changes.begin(), changes.end());
    }
  }
  std::vector<const pricing::Version*> versions;
  for (const Instant at : moments) {
    const auto* version = metering::version_for(state.metering, state.pricing, tenant, at);
    if (version != nullptr) versions.push_back(version);
  }
  return versions;
}

// The most that a quantity costs under any of them; 0 where none has a price.
Result<Money> highest(const std::vector<const pricing::Version*>& versions,
                      const metering::Level& level, Wide quantity) {
  Money most;
  for (const pricing::Version* version : versions) {
    const pricing::Price* const price = pricing::find_price(*version, level.meter, level.sku);
    if (price == nullptr) continue;
    TRY_ASSIGN(const Money money, pricing::hold_amount(pricing::budget_rate(*price), quantity));
    if (most.currency == Currency{} || money.nano > most.nano) most = money;
  }
  return most;
}

}  // namespace

Result<Spend> spend_for(const State& state, OrgId tenant,
                        const std::vector<metering::Level>& levels, Duration span, Instant now) {
  check(span.ns >= 0, "a negative span");
  Spend spend;
  const Instant until = now + horizon;
  const auto versions = versions_in(state, tenant, until - std::max(span, horizon), until);
  for (const metering::Level& level : levels) {
    const Wide quantity = level.level * span.ns;
    if (level.meter == pricing::Meter::gpu_time) spend.gpu_time += quantity;
    TRY_ASSIGN(const Money money, highest(versions, level, quantity));
    if (money.currency != Currency{}) spend.money[money.currency] += money.nano;
  }
  return spend;
}

AccountId account_id(OrgId owner, ledger::AccountKind kind, Currency currency,
                     EndpointId endpoint) {
  std::uint64_t salt = static_cast<std::uint64_t>(kind);
  for (const char c : currency.letters) salt = salt << 8 | static_cast<unsigned char>(c);
  salt ^= endpoint.low;
  const OrgId from = owner ? owner : tenant::root;
  AccountId id = derive_id<AccountTag>(from, salt);
  id.high ^= endpoint.high;
  return id;
}

ledger::OpenAccount open_account(OrgId owner, ledger::AccountKind kind, Currency currency,
                                 EndpointId endpoint) {
  ledger::OpenAccount command;
  command.account.id = account_id(owner, kind, currency, endpoint);
  command.account.owner = owner;
  command.account.kind = kind;
  command.account.currency = currency;
  command.account.endpoint = endpoint;
  return command;
}

std::vector<ledger::OpenAccount> endpoint_accounts(OrgId tenant, EndpointId endpoint,
                                                   deployment::Billing billing,
                                                   Currency currency) {
  using ledger::AccountKind;
  if (billing == deployment::Billing::dedicated) return {};
  const OrgId earner = billing == deployment::Billing::published ? tenant : OrgId{};
  return {open_account(tenant, AccountKind::endpoint_cost, currency, endpoint),
          open_account(earner, AccountKind::revenue, currency, endpoint)};
}

const ledger::Account* wallet_of(const State& state, OrgId tenant, Instant now) {
  const auto* version = metering::version_for(state.metering, state.pricing, tenant, now);
  if (version == nullptr) return nullptr;
  return ledger::find(state.ledger, tenant, ledger::AccountKind::wallet, version->currency);
}

Result<void> check_wallet(const State& state, OrgId tenant, Instant now) {
  const ledger::Account* const wallet = wallet_of(state, tenant, now);
  if (wallet == nullptr || wallet->balance > 0) return {};
  return exhausted("the wallet of \"" + tenant::path_of(state.tenant, tenant) + "\" has " +
                   to_text(Money{wallet->balance, wallet->currency}) + " left")
      .because(std::string(budget::balance_exhausted))
      .fix("top the wallet up: bessemer wallet top-up");
}

AccountId payer_account(const State& state, OrgId tenant, Currency currency) {
  const ledger::Account* const wallet =
      ledger::find(state.ledger, tenant, ledger::AccountKind::wallet, currency);
  return wallet != nullptr ? wallet->id
                           : account_id(tenant, ledger::AccountKind::receivable, currency);
}

BudgetId wallet_budget(AccountId wallet) { return derive_id<BudgetTag>(wallet, 1); }

std::vector<metering::Posting> postings_of(const std::vector<metering::Event>& events) {
  std::vector<metering::Posting> postings;
  for (const metering::Event& event : events) {
    const auto& some = metering::postings_of(event);
    postings.insert(postings.end(), some.begin(), some.end());
  }
  return postings;
}

Result<void> book(const State& state, std::vector<Metered> metered, Batch& batch,
                  const Context& context) {
  std::vector<metering::Posting> postings;
  budget::Count count;
  for (Metered& one : metered) {
    budget::Work work{one.hold, std::move(one.spender), {}, one.closes};
    for (const metering::Posting& posting : one.postings) {
      work.pieces.push_back({posting.from, posting.until, metering::spend_of({posting})});
    }
    count.works.push_back(std::move(work));
    postings.insert(postings.end(), one.postings.begin(), one.postings.end());
  }
  ADD(batch, transfers_for(state, postings, batch, context));
  ADD(batch, budget::judge(state.budget, budget::Command(std::move(count)), context));
  return {};
}

Result<std::vector<ledger::Event>> transfers_for(const State& state,
                                                 const std::vector<metering::Posting>& postings,
                                                 const Batch& batch, const Context& context) {
  std::map<Route, Money> sums;
  for (const metering::Posting& posting : postings) {
    if (posting.amount.nano == 0) continue;
    const Route route = route_of(state, posting.line, posting.amount.currency);
    const auto [at, fresh] = sums.try_emplace(route, posting.amount);
    if (!fresh) at->second = at->second + posting.amount;
  }
  ledger::MoveFrom move;
  move.source.stream = metering_stream;
  const auto mark = state.ledger.streams.find(move.source.stream);
  move.source.sequence = mark == state.ledger.streams.end() ? 1 : mark->second + 1;
  for (const Event& before : batch.events) {
    const auto* booked = std::get_if<ledger::Event>(&before);
    const auto* step = booked == nullptr ? nullptr : std::get_if<ledger::TransferredFrom>(booked);
    if (step != nullptr && step->source.stream == move.source.stream) ++move.source.sequence;
  }
  for (const auto& [route, sum] : sums) {
    if (sum.nano == 0) continue;
    ledger::Transfer transfer;
    transfer.id = charge_id(route.from, move.source.sequence, move.transfers.size());
    const bool back = sum.nano < 0;  // what was charged too far comes back
    transfer.from = back ? route.to : route.from;
    transfer.to = back ? route.from : route.to;
    transfer.amount = back ? -sum : sum;
    transfer.kind = ledger::TransferKind::charge;
    transfer.memo = "metered usage";
    transfer.cannot_be_refused = true;
    move.transfers.push_back(std::move(transfer));
  }
  if (move.transfers.empty()) return std::vector<ledger::Event>{};
  return ledger::judge(state.ledger, ledger::Command(std::move(move)), context);
}

}  // namespace bessemer::factory
