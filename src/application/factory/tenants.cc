// Tenants and price books: a tenant comes with the accounts that its charges need.
#include "application/factory/book.h"
#include "application/factory/charge.h"
#include "application/factory/ladder.h"

namespace bessemer::factory {
namespace {

using ledger::AccountKind;

// The metering account and the ledger accounts of a tenant that is charged in `currency`.
Result<void> open_books(const State& state, OrgId tenant, std::string zone, Batch& batch,
                        const Context& context) {
  const std::string book(default_book);
  const pricing::Version* const version = version_or_first(state, book, context.now);
  if (version == nullptr) return {};  // nothing has a price
  metering::OpenAccount open;
  open.tenant = tenant;
  open.book = book;
  // A zone whose offsets nobody has handed in yet is charged by UTC months until it is set.
  if (state.metering.zones.contains(zone)) open.zone = std::move(zone);
  ADD(batch, metering::judge(state.metering, state.pricing, metering::Command(open), context));
  for (const Currency currency : {version->currency, simulated_currency}) {
    for (const AccountKind kind : {AccountKind::receivable, AccountKind::revenue}) {
      ADD(batch, ledger::judge(state.ledger,
                               ledger::Command(open_account(tenant, kind, currency)), context));
    }
  }
  return {};
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
    return conflict("it still stores artifacts").fix("delete its datasets, models and runs first");
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
    TRY(open_books(state, create->id, create->time_zone.value_or("UTC"), batch, context));
  }
  return batch;
}

// A book brings the platform's own accounts in its currency.
Result<Batch> judge_pricing(const State& state, const pricing::Command& command,
                            const Context& context) {
  Batch batch;
  ADD(batch, pricing::judge(state.pricing, command, context));
  const auto& publish = std::get<pricing::Publish>(command);
  for (const Currency currency : {publish.currency, simulated_currency}) {
    for (const AccountKind kind :
         {AccountKind::revenue, AccountKind::provider_cost, AccountKind::platform_loss,
          AccountKind::payments, AccountKind::tax}) {
      ADD(batch, ledger::judge(state.ledger, ledger::Command(open_account({}, kind, currency)),
                               context));
    }
  }
  return batch;
}

}  // namespace bessemer::factory
