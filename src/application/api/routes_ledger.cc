// The ledger by hand: transfers, wallets, credit notes and charges, lost gateways, what an endpoint
// earns.
#include <algorithm>

#include "application/api/account_name.h"
#include "application/api/lookup.h"
#include "application/api/money.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "application/factory/charge.h"
#include "governance/billing/billing.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

// ---- transfers

struct TransferView {
  TransferId id;
  ledger::TransferKind kind = ledger::TransferKind::charge;
  std::string from, to;  // accounts by name
  AccountId from_account, to_account;
  Money amount;
  TransferId original;
  Money credited;  // given back by credit notes so far
  std::string memo;
};
DESCRIBE(TransferView, id, kind, from, to, from_account, to_account, amount, original, credited,
         memo)

TransferView view_of(const Call& call, const ledger::Transfer& transfer) {
  const factory::State& state = call.state();
  const auto credited = state.ledger.credited.find(transfer.id);
  return {transfer.id,
          transfer.kind,
          account_name(call, transfer.from),
          account_name(call, transfer.to),
          transfer.from,
          transfer.to,
          transfer.amount,
          transfer.original,
          {credited == state.ledger.credited.end() ? Wide{0} : credited->second,
           transfer.amount.currency},
          transfer.memo};
}

Result<Page<TransferView>> list_transfers(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  std::vector<const ledger::Transfer*> all;
  for (const auto& [id, transfer] : call.state().ledger.transfers) {
    if (tenant::is_within(call.state().tenant, owner_of(call.state(), transfer), org)) {
      all.push_back(&transfer);
    }
  }
  return paginate<TransferView>(
      call, all, [](const ledger::Transfer* one) { return to_text(one->id); },
      [&](const ledger::Transfer* one) { return view_of(call, *one); });
}

Result<TransferView> get_transfer(Call& call) {
  TRY_ASSIGN(const ledger::Transfer* const found,
             named_thing<TransferId>(
                 call, "transfer", "transfer",
                 [&](TransferId id) -> const ledger::Transfer* {
                   const auto at = call.state().ledger.transfers.find(id);
                   return at == call.state().ledger.transfers.end() ? nullptr : &at->second;
                 },
                 [&](const ledger::Transfer& one) { return owner_of(call.state(), one); }));
  return view_of(call, *found);
}

// ---- wallets

struct TopUpBody {
  Money amount;
  std::optional<factory::TopUpKind> kind;
  std::optional<std::string> memo;
  TransferId id;  // none: drawn
};
DESCRIBE(TopUpBody, amount, kind, memo, id)

Result<TransferView> top_up_wallet(Call& call, const InOrg<TopUpBody>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  factory::TopUp command;
  command.tenant = org;
  command.id = body.rest.id ? body.rest.id : call.draw<TransferId>();
  command.amount = body.rest.amount;
  command.kind = body.rest.kind.value_or(factory::TopUpKind::payment);
  command.memo = body.rest.memo.value_or("");
  const TransferId id = command.id;
  call.makes("/api/v1/transfers/" + to_text(id));
  TRY(call.submit(factory::OwnCommand(std::move(command))));
  return view_of(call, call.state().ledger.transfers.at(id));
}

struct WalletView {
  AccountId id;
  std::string tenant_path;
  Money balance;
  bool overdrawn = false;
  Money held;       // of the balance: for work that runs
  Money leased;     // of the balance: lent to gateways
  Money available;  // for new work and requests; not below 0
};
DESCRIBE(WalletView, id, tenant_path, balance, overdrawn, held, leased, available)

WalletView view_of(const factory::State& state, const ledger::Account& wallet) {
  const BudgetId id = factory::wallet_budget(wallet.id);
  const budget::Counters now = budget::counters_of(state.budget, id, Instant{});
  const budget::Budget* const prepaid = budget::find(state.budget, id);
  const auto money = [&](Wide nano) { return Money{nano, wallet.currency}; };
  const Wide available =
      prepaid == nullptr ? Wide{0}
                         : budget::available(state.budget, *prepaid, Instant{},
                                             budget::WorkloadClass::inference,
                                             budget::Purpose::admission);
  return {wallet.id,          tenant::path_of(state.tenant, wallet.owner),
          money(wallet.balance), wallet.balance < 0,
          money(now.held),    money(now.leased),
          money(available)};
}

Result<Page<WalletView>> list_wallets(Call& call) {
  TRY_ASSIGN(const OrgId org, queried_org(call, "org", tenant::root));
  std::vector<const ledger::Account*> all;
  for (const auto& [id, account] : call.state().ledger.accounts) {
    if (account.kind == ledger::AccountKind::wallet &&
        tenant::is_within(call.state().tenant, account.owner, org)) {
      all.push_back(&account);
    }
  }
  return paginate<WalletView>(
      call, all, [](const ledger::Account* one) { return to_text(one->id); },
      [&](const ledger::Account* one) {
        return view_of(call.state(), *one);
      });
}

// ---- lines by hand

struct AdjustBody {
  Money amount;             // above 0
  std::string description;  // what the customer reads
  std::optional<billing::AdjustmentKind> kind;  // of a charge: fee, commitment or correction
  std::optional<std::string> reference;         // the incident, contract, invoice or transfer
  std::optional<std::string> period;            // a month such as 2026-11; the present one
  TransferId id;                                // none: drawn
};
DESCRIBE(AdjustBody, amount, description, kind, reference, period, id)

Result<TransferView> adjust(Call& call, OrgId org, const AdjustBody& asked,
                            billing::AdjustmentKind kind) {
  billing::Adjust command;
  command.tenant = org;
  command.at = call.now();
  if (asked.period) {
    TRY_ASSIGN(command.at, moment_of_month(*asked.period));
  }
  if (asked.amount.nano <= 0) return invalid("must be above 0").at("amount");
  const bool gives_back = kind == billing::AdjustmentKind::credit;
  command.adjustment.id = asked.id ? asked.id : call.draw<TransferId>();
  command.adjustment.kind = kind;
  command.adjustment.amount = gives_back ? -asked.amount : asked.amount;
  command.adjustment.description = asked.description;
  command.adjustment.reference = asked.reference.value_or("");
  const TransferId id = command.adjustment.id;
  call.makes("/api/v1/transfers/" + to_text(id));
  TRY(call.submit(billing::Command(std::move(command))));
  return view_of(call, call.state().ledger.transfers.at(id));
}

Result<TransferView> issue_credit_note(Call& call, const InOrg<AdjustBody>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  if (body.rest.kind && *body.rest.kind != billing::AdjustmentKind::credit) {
    return invalid("is credit for a credit note").at("kind");
  }
  return adjust(call, org, body.rest, billing::AdjustmentKind::credit);
}

Result<TransferView> add_charge(Call& call, const InOrg<AdjustBody>& body) {
  TRY_ASSIGN(const OrgId org, placed(call, body.org, "org"));
  const auto kind = body.rest.kind.value_or(billing::AdjustmentKind::fee);
  if (kind == billing::AdjustmentKind::credit) {
    return invalid("gives money back").at("kind").fix("issue a credit note");
  }
  return adjust(call, org, body.rest, kind);
}

// ---- what gateways were lent

struct EpochView {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  lease::EpochStatus status = lease::EpochStatus::live;
  std::uint64_t leases = 0;
  std::vector<std::string> outstanding;  // "12.5 USD of budget monthly"
  std::uint64_t reported = 0;            // offset of its usage log up to which use is counted
};
DESCRIBE(EpochView, gateway, epoch, status, leases, outstanding, reported)

EpochView view_of(const factory::State& state, const lease::EpochKey& key,
                  const lease::Epoch& epoch) {
  EpochView view{key.first, key.second, epoch.status, epoch.leases.size(), {}, epoch.reported};
  for (const LeaseId id : epoch.leases) {
    const lease::Lease* const lease = lease::find(state.lease, id);
    const budget::Budget* const budget =
        lease == nullptr ? nullptr : budget::find(state.budget, lease->budget);
    if (budget == nullptr || lease::outstanding(*lease) == 0) continue;
    view.outstanding.push_back(
        budget::to_text(lease->unit, lease->currency, lease::outstanding(*lease)) +
        (budget->prepaid ? " of the wallet of " : " of budget ") + budget->name);
  }
  return view;
}

std::string place_of(const lease::EpochKey& key) {
  return to_text(key.first) + "/" + std::to_string(1'000'000'000 + key.second);
}

Result<Page<EpochView>> list_leases(Call& call) {
  TRY(call.permit(tenant::root));
  return paginate<EpochView>(
      call, call.state().lease.epochs, [](const auto& one) { return place_of(one.first); },
      [&](const auto& one) { return view_of(call.state(), one.first, one.second); });
}

struct WriteOffBody {
  GatewayId gateway;
  std::uint64_t epoch = 0;
  std::string reason;
};
DESCRIBE(WriteOffBody, gateway, epoch, reason)

Result<EpochView> write_off(Call& call, const WriteOffBody& body) {
  TRY(call.permit(tenant::root));
  TRY(call.submit(lease::Command(lease::WriteOff{body.gateway, body.epoch, body.reason})));
  const lease::EpochKey key{body.gateway, body.epoch};
  const auto found = call.state().lease.epochs.find(key);
  if (found == call.state().lease.epochs.end()) {
    return conflict("the epoch is closed: its usage log was counted to its end");
  }
  return view_of(call.state(), key, found->second);
}

// ---- margin

struct MarginView {
  EndpointId endpoint;
  std::string name;
  deployment::Billing billing = deployment::Billing::dedicated;
  Instant from, until;
  std::vector<Money> revenue, cost, margin;
};
DESCRIBE(MarginView, endpoint, name, billing, from, until, revenue, cost, margin)

Result<MarginView> get_margin(Call& call) {
  TRY_ASSIGN(const deployment::Endpoint* const found,
             named_thing<EndpointId>(
                 call, "endpoint", "endpoint",
                 [&](EndpointId id) { return deployment::find(call.state().deployment, id); },
                 [](const deployment::Endpoint& one) { return one.project; }));
  TRY_ASSIGN(const Instant at, queried_period(call));
  const OrgId tenant = tenant::tenant_of(call.state().tenant, found->project);
  const metering::Account* const account = metering::find(call.state().metering, tenant);
  if (account == nullptr) return not_found("the tenant has no account");
  const Period period = metering::period_of(call.state().metering, *account, at);
  const billing::Margin margin = billing::margin(call.state().metering, found->id, at);
  std::map<Currency, Wide> rest = margin.revenue;
  for (const auto& [currency, nano] : margin.cost) rest[currency] -= nano;
  return MarginView{found->id,   found->name,  found->billing,
                    period.from, period.until, amounts_of(margin.revenue),
                    amounts_of(margin.cost),   amounts_of(rest)};
}

}  // namespace

Table ledger_routes() {
  const std::vector<Parameter> org = {{"org", "path or id; the platform when left out"}};
  return {
      route<&list_transfers>(Method::get, "/api/v1/transfers", "list_transfers",
                             "Transfers made by hand: payments, credit notes, fees, corrections",
                             Resource::ledger, Action::list, with_page(org)),
      route<&get_transfer>(Method::get, "/api/v1/transfers/{transfer}", "get_transfer",
                           "One transfer", Resource::ledger, Action::read),
      route<&list_wallets>(Method::get, "/api/v1/wallets", "list_wallets", "Prepaid money",
                           Resource::ledger, Action::list, with_page(org)),
      route<&top_up_wallet>(Method::post, "/api/v1/wallets/top-ups", "top_up_wallet",
                            "Pay or grant money into a tenant's wallet", Resource::ledger,
                            Action::create),
      route<&issue_credit_note>(Method::post, "/api/v1/credit-notes", "issue_credit_note",
                                "Give back part of a charge: a line of the period's invoice",
                                Resource::invoice, Action::create),
      route<&add_charge>(Method::post, "/api/v1/charges", "add_charge",
                         "Add a fee, commitment or correction to the period's invoice",
                         Resource::invoice, Action::create),
      route<&list_leases>(Method::get, "/api/v1/leases", "list_leases",
                          "Gateway processes that hold money of budgets", Resource::gateway,
                          Action::list, with_page({})),
      route<&write_off>(Method::post, "/api/v1/leases/write-off", "write_off_gateway",
                        "Give up the usage log of a lost gateway process: its money returns, "
                        "what it may have paid for is the platform's loss",
                        Resource::gateway, Action::remove),
      route<&get_margin>(Method::get, "/api/v1/endpoints/{endpoint}/margin", "get_margin",
                         "What an endpoint earned by the token, less what its replicas cost",
                         Resource::statement, Action::read,
                         {{"period", "a month such as 2026-11; now when left out"}}),
  };
}

}  // namespace bessemer::api
