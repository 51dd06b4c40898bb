// Tenants and price books: a tenant comes with the accounts that its charges need.
#include "application/factory/book.h"
#include "application/factory/charge.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

using ledger::AccountKind;

// The ledger accounts of a tenant that is charged in `currency`.
Result<void> open_accounts(const State& state, OrgId tenant, Currency currency, Batch& batch,
                           const Context& context) {
  for (const Currency one : {currency, simulated_currency}) {
    for (const AccountKind kind : {AccountKind::receivable, AccountKind::revenue}) {
      ADD(batch, ledger::judge(state.ledger, ledger::Command(open_account(tenant, kind, one)),
                               context));
    }
  }
  return {};
}

// The metering account and the ledger accounts of a new tenant. `usage` knows its zone. Before the
// first book is published what it uses is counted without a price.
Result<void> open_books(const State& state, const metering::State& usage, OrgId tenant,
                        std::string zone, Batch& batch, const Context& context) {
  const pricing::Version* const version = version_or_first(state, default_book, context.now);
  metering::OpenAccount open;
  open.tenant = tenant;
  if (version != nullptr) open.book = default_book;
  // A zone whose offsets nobody has handed in yet is charged by UTC months until it is set.
  if (usage.zones.contains(zone)) open.zone = std::move(zone);
  ADD(batch, metering::judge(usage, state.pricing, metering::Command(open), context));
  if (version == nullptr) return {};
  return open_accounts(state, tenant, version->currency, batch, context);
}

// The first version of the book that tenants are charged by: those that came before it, and their
// endpoints, are charged from its beginning on.
Result<void> begin_charging(const State& state, const pricing::Version& version, Batch& batch,
                            const Context& context) {
  pricing::State prices = state.pricing;
  pricing::apply(prices, pricing::PriceBookPublished{version}, context);
  for (const auto& [id, node] : state.tenant.nodes) {
    if (node.kind != tenant::Kind::tenant || node.closed_at) continue;
    const metering::Account* const account = metering::find(state.metering, id);
    if (account != nullptr && !account->books.back().book.empty()) continue;
    metering::OpenAccount open{id, version.book, "UTC", version.effective_from};
    if (account != nullptr) open.zone = account->zone;
    else if (state.metering.zones.contains(node.time_zone)) open.zone = node.time_zone;
    ADD(batch, metering::judge(state.metering, prices, metering::Command(open), context));
    TRY(open_accounts(state, id, version.currency, batch, context));
  }
  for (const auto& [id, endpoint] : state.deployment.endpoints) {
    const OrgId tenant = tenant::tenant_of(state.tenant, endpoint.project);
    for (const Currency currency : {version.currency, simulated_currency}) {
      for (auto& open : endpoint_accounts(tenant, id, endpoint.billing, currency)) {
        ADD(batch, ledger::judge(state.ledger, ledger::Command(std::move(open)), context));
      }
    }
  }
  return {};
}

// The zone's offsets, for budgets and for metering alike. Gives what metering then knows of the
// tenant: what the rest of the batch is judged against.
Result<metering::State> define_zone(const State& state, OrgId tenant, const Zone& zone,
                                    Batch& batch, const Context& context) {
  metering::State usage = metering::part_of(state.metering, tenant);
  if (zone.name == "UTC") return usage;
  ADD(batch, budget::judge(state.budget, budget::Command(budget::DefineZone{zone}), context));
  TRY_ASSIGN(auto events, metering::judge(state.metering, state.pricing,
                                          metering::Command(metering::DefineZone{zone}), context));
  for (const metering::Event& event : events) metering::apply(usage, event, context);
  add(batch, std::move(events));
  return usage;
}

Result<Batch> judge_close(const State& state, const tenant::Close& close, const Context& context) {
  Batch batch;
  for (const WorkloadId id : state.workload.live) {
    const workload::Workload* const workload = workload::find(state.workload, id);
    if (workload == nullptr) continue;
    if (tenant::is_within(state.tenant, workload->spec.project, close.node)) {
      return conflict("it still has jobs or services that are not over")
          .fix("cancel them first: bessemer job list");
    }
  }
  for (const auto& [id, endpoint] : state.deployment.endpoints) {
    if (tenant::is_within(state.tenant, endpoint.project, close.node)) {
      return conflict("it still has endpoint '" + endpoint.name + "'")
          .fix("delete its endpoints first");
    }
  }
  if (artifact::count(state.artifact, close.node) != 0) {
    return conflict("it still stores artifacts")
        .fix("delete its datasets, models, pipelines and experiment runs; what nothing needs any "
             "more goes within two days");
  }
  ADD(batch, tenant::judge(state.tenant, tenant::Command(close), context));
  ADD(batch, access::judge(state.access, access::Command(access::ForgetNode{close.node}), context));
  return batch;
}

}  // namespace

Result<Batch> judge_tenant(const State& state, const tenant::Command& command,
                           const Context& context) {
  if (const auto* close = std::get_if<tenant::Close>(&command)) {
    return judge_close(state, *close, context);
  }
  Batch batch;
  ADD(batch, tenant::judge(state.tenant, command, context));
  if (const auto* create = std::get_if<tenant::CreateTenant>(&command);
      create != nullptr && !batch.events.empty()) {
    TRY(open_books(state, state.metering, create->id, create->time_zone.value_or("UTC"), batch,
                   context));
  }
  return batch;
}

Result<Batch> judge_create_tenant(const State& state, const CreateTenant& command,
                                  const Context& context) {
  Batch batch;
  const tenant::CreateTenant& create = command.create;
  const Zone zone = command.zone.value_or(Zone{});
  TRY_ASSIGN(const metering::State usage, define_zone(state, create.id, zone, batch, context));
  TRY_ASSIGN(auto created,
             tenant::judge(state.tenant, tenant::Command(create), context));
  if (created.empty()) return Batch{};
  add(batch, std::move(created));
  TRY(open_books(state, usage, create.id, create.time_zone.value_or("UTC"), batch, context));
  return batch;
}

Result<Batch> judge_time_zone(const State& state, const SetTimeZone& command,
                              const Context& context) {
  Batch batch;
  TRY_ASSIGN(const metering::State usage,
             define_zone(state, command.tenant, command.zone, batch, context));
  TRY_ASSIGN(auto set, tenant::judge(state.tenant,
                                     tenant::Command(tenant::SetTimeZone{command.tenant,
                                                                         command.zone.name}),
                                     context));
  add(batch, std::move(set));
  if (metering::find(usage, command.tenant) == nullptr) return batch;
  ADD(batch, metering::judge(usage, state.pricing,
                             metering::Command(metering::ChooseZone{command.tenant,
                                                                    command.zone.name}),
                             context));
  return batch;
}

// A book brings the platform's own accounts in its currency.
Result<Batch> judge_pricing(const State& state, const pricing::Command& command,
                            const Context& context) {
  Batch batch;
  TRY_ASSIGN(const auto published, pricing::judge(state.pricing, command, context));
  ADD(batch, Result<std::vector<pricing::Event>>(published));
  const auto& publish = std::get<pricing::Publish>(command);
  for (const Currency currency : {publish.currency, simulated_currency}) {
    for (const AccountKind kind :
         {AccountKind::revenue, AccountKind::provider_cost, AccountKind::platform_loss,
          AccountKind::payments, AccountKind::tax}) {
      ADD(batch, ledger::judge(state.ledger, ledger::Command(open_account({}, kind, currency)),
                               context));
    }
  }
  if (published.empty() || publish.name != default_book ||
      state.pricing.books.contains(publish.name)) {
    return batch;
  }
  const auto& version = std::get<pricing::PriceBookPublished>(published.front()).version;
  TRY(begin_charging(state, version, batch, context));
  return batch;
}

}  // namespace bessemer::factory
