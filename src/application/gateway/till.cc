// Where a gateway's money is: the leases it holds, the holds of its requests, and its usage log.
#include "application/gateway/till.h"

#include <algorithm>
#include <utility>

namespace bessemer::gateway {
namespace {

constexpr Duration ask_again = milliseconds(50);  // after the control plane has said "wait"
constexpr int max_questions = 16;                 // of one waiter, unless told to wait
constexpr std::string_view short_of_money = "lease_short";
constexpr std::string_view window_over = "lease_window_over";
constexpr std::string_view expired = "lease_expired";

// What requests of this kind have in common, but for the leases.
metering::Terms terms_of(const Purchase& purchase) {
  const auto& caller = *purchase.caller;
  const auto& entry = purchase.endpoint->entry;
  metering::Terms terms;
  terms.payer.tenant = caller.path.empty() ? OrgId{} : caller.path.front();
  terms.payer.project = caller.project;
  terms.payer.key = caller.id;
  terms.subject.workload = entry.workload;
  terms.subject.endpoint = entry.id;
  terms.subject.model = entry.model;
  terms.sku = entry.sku;
  terms.version = purchase.tariff.version;
  terms.prices = purchase.tariff.prices;
  return terms;
}

// What asking the control plane can mend: it lends what is missing, and its answer renews the right
// to spend.
bool can_be_asked_for(const Error& error) {
  return error.reason == short_of_money || error.reason == expired;
}

Error lent_to_others() {
  return unavailable("the rest of the budget is held for other requests or lent to other gateways")
      .because("budget_lent")
      .retried(Retry::later, seconds(1).ns);
}

Error away() {
  return unavailable("the budget cannot be asked for now: the control plane is away")
      .because("control_plane_away")
      .retried(Retry::later, seconds(2).ns);
}

}  // namespace

Till::Till(real::Loop& loop, const world::Clock& clock, ControlSender& sender)
    : loop_(loop), clock_(clock), sender_(sender) {}

Till::~Till() {
  for (const auto& [key, kind] : kinds_) loop_.cancel(kind.again);
}

Result<void> Till::begin(GatewayId gateway, std::uint64_t epoch,
                         std::unique_ptr<LogWriter> writer) {
  writer_ = std::move(writer);
  TRY(write({lease::open_log(gateway, epoch, clock_.now())}, journal::Purpose::ordinary));
  return {};
}

// Applies and stages records: the next decision sees them, whether durable or not.
Result<journal::Sequence> Till::write(const std::vector<LogRecord>& records,
                                      journal::Purpose purpose) {
  if (!writer_) return away();
  TRY_ASSIGN(const auto sequence, writer_->append(records, purpose));
  for (const auto& record : records) lease::apply(holder_, record);
  return sequence;
}

Till::KindKey Till::key_of(const Purchase& purchase) {
  return {purchase.caller->id, purchase.endpoint->entry.id, purchase.tariff.version};
}

void Till::open(const Purchase& purchase, Opened opened) {
  if (closing_) return opened(away());
  const auto key = key_of(purchase);
  Waiter waiter;
  waiter.purchase = purchase;
  waiter.came = clock_.since_boot();
  waiter.opened = std::move(opened);
  kinds_[key].waiting.push_back(std::move(waiter));
  serve(key);
}

void Till::extend(const Purchase& purchase, std::uint64_t hold, const Counts& delivered,
                  const Counts& total, Extended extended) {
  if (!writer_) return extended(away());
  const auto key = key_of(purchase);
  auto& kind = kinds_[key];
  auto& waiting = kind.waiting;
  Waiter waiter;
  waiter.purchase = purchase;
  waiter.hold = hold;
  waiter.came = clock_.since_boot();
  waiter.delivered = delivered;
  waiter.total = total;
  waiter.extended = std::move(extended);
  // Before all openings, but not before the one for which the control plane is being asked.
  const bool first_is_asking = kind.asked != 0 || kind.again != 0;
  const auto first_opening = std::find_if(waiting.begin() + (first_is_asking ? 1 : 0),
                                          waiting.end(),
                                          [](const Waiter& other) { return other.hold == 0; });
  waiting.insert(first_opening, std::move(waiter));
  serve(key);
}

void Till::serve(const KindKey& key) {
  auto& kind = kinds_[key];
  while (!kind.waiting.empty() && kind.asked == 0 && kind.again == 0) {
    lease::Ask missing;
    if (attempt(kind, missing) == Step::ask) ask(key, kind, missing);
  }
}

// Opens or extends for the first waiter, and tells it; or says what is missing.
Till::Step Till::attempt(Kind& kind, lease::Ask& missing) {
  if (!writer_) return Step::ask;  // nobody has welcomed this gateway yet
  if (kind.waiting.front().hold == 0) {
    auto held = attempt_open(kind, kind.waiting.front(), missing);
    if (!held && can_be_asked_for(held.error())) return Step::ask;
    const auto waiter = std::move(kind.waiting.front());
    kind.waiting.pop_front();
    waiter.opened(std::move(held));
  } else {
    auto extended = attempt_extension(kind.waiting.front(), missing);
    if (!extended && can_be_asked_for(extended.error())) return Step::ask;
    const auto waiter = std::move(kind.waiting.front());
    kind.waiting.pop_front();
    waiter.extended(std::move(extended));
  }
  return Step::done;
}

// The error lease_short means: borrow what is missing.
Result<Held> Till::attempt_open(Kind& kind, const Waiter& waiter, lease::Ask& missing) {
  const auto& purchase = waiter.purchase;
  const lease::Opening opening{purchase.request, kind.terms, purchase.first, purchase.slice};
  auto opened = kind.terms == 0
                    ? unavailable("no lease is known").because(std::string(short_of_money))
                    : lease::open(holder_, opening, clock_.now(), clock_.since_boot());
  if (!opened && opened.error().reason == window_over) {
    // The set of leases is another in the new window.
    kind.terms = 0;
    kind.leases.clear();
    opened = unavailable("a new window").because(std::string(short_of_money));
  }
  if (!opened && can_be_asked_for(opened.error())) {
    // What is free of the leases counts: with it, the last of a budget can be spent.
    auto terms = terms_of(purchase);
    terms.leases = kind.leases;
    TRY_ASSIGN(missing, lease::ask_for(holder_, terms, opening));
  }
  TRY_ASSIGN(const LogRecord record, std::move(opened));
  TRY_ASSIGN(const auto sequence, write({record}, journal::Purpose::ordinary));
  return Held{std::get<metering::HoldOpened>(record).hold, sequence};
}

Result<journal::Sequence> Till::attempt_extension(const Waiter& waiter, lease::Ask& missing) {
  auto extended = lease::extend(holder_, waiter.hold, waiter.delivered, waiter.total,
                                waiter.purchase.slice, clock_.since_boot());
  if (!extended && can_be_asked_for(extended.error())) {
    TRY_ASSIGN(missing, lease::ask_for(holder_, waiter.hold, waiter.total));
  }
  TRY_ASSIGN(const LogRecord record, std::move(extended));
  return write({record}, journal::Purpose::ordinary);
}

void Till::ask(const KindKey& key, Kind& kind, const lease::Ask& missing) {
  auto& waiter = kind.waiting.front();
  if (!sender_.connected()) return wait_more(key, kind, away());
  if (++waiter.asked > max_questions && !waiter.told_to_wait) {
    return refuse_first(kind, unavailable("the control plane lends less than it says")
                                  .because("lease_short"));
  }
  const auto& caller = *waiter.purchase.caller;
  const auto& entry = waiter.purchase.endpoint->entry;
  control::LeaseRequest request;
  request.serial = ++last_serial_;
  request.spender.path = caller.path;
  request.spender.key = caller.id;
  request.spender.model = entry.model;
  request.spender.endpoint = entry.id;
  request.purpose =
      waiter.hold == 0 ? budget::Purpose::admission : budget::Purpose::continuation;
  request.need = missing.need;
  request.idle = missing.idle;
  kind.asked = request.serial;
  kind.asked_at = clock_.since_boot();
  questions_[request.serial] = key;
  sender_.send(control::FromGateway(std::move(request)));
}

void Till::refuse_first(Kind& kind, const Error& error) {
  const auto waiter = std::move(kind.waiting.front());
  kind.waiting.pop_front();
  if (waiter.hold == 0) waiter.opened(error);
  else waiter.extended(error);
}

Result<void> Till::take(const std::vector<lease::Lease>& leases) {
  const auto records = lease::take(holder_, leases);
  if (!records.empty()) TRY(write(records, journal::Purpose::ordinary));
  return {};
}

// Takes the leases over and, where the set is another than before, defines terms for it.
Result<void> Till::learn(Kind& kind, const control::LeaseAnswer& answer) {
  TRY(take(answer.leases));
  std::vector<LeaseId> leases;
  for (const auto& lease : answer.leases) leases.push_back(lease.id);
  kind.budgets = answer.budgets;
  if (kind.terms != 0 && leases == kind.leases) return {};
  auto terms = terms_of(kind.waiting.front().purchase);
  terms.leases = leases;
  TRY_ASSIGN(const LogRecord record, lease::define_terms(holder_, terms));
  TRY(write({record}, journal::Purpose::ordinary));
  kind.terms = std::get<metering::TermsDefined>(record).number;
  kind.leases = std::move(leases);
  return {};
}

void Till::answered(const control::LeaseAnswer& answer) {
  const auto question = questions_.extract(answer.serial);
  if (question.empty()) return;
  const auto key = question.mapped();
  auto& kind = kinds_[key];
  kind.asked = 0;
  renewed(kind.asked_at);
  kind.stalled = kind.stalled && answer.outcome == control::LeaseOutcome::wait;
  switch (answer.outcome) {
    case control::LeaseOutcome::granted: {
      auto learned = learn(kind, answer);
      if (!learned) refuse_first(kind, learned.error());
      break;
    }
    case control::LeaseOutcome::wait: {
      auto taken = take(answer.leases);
      if (taken) wait_more(key, kind, lent_to_others());
      else refuse_first(kind, taken.error());
      break;
    }
    case control::LeaseOutcome::refused: {
      Error error = exhausted(answer.what).fix(answer.remedy).because(answer.reason);
      if (!budget::is_of_money(answer.reason)) error.code = Code::unavailable;
      refuse_first(kind, error);
    }
  }
  serve(key);
}

// Others give back what they do not need, and a daemon that restarts comes back: that takes a
// moment, but not for ever. Who stood in line meanwhile has waited too.
void Till::wait_more(const KindKey& key, Kind& kind, const Error& otherwise) {
  auto& waiter = kind.waiting.front();
  waiter.told_to_wait = true;
  const auto now = clock_.since_boot();
  if (!std::exchange(kind.stalled, true)) kind.stalled_since = now;
  if (now >= std::max(kind.stalled_since, waiter.came) + lease::budget_wait) {
    return refuse_first(kind, otherwise);
  }
  kind.again = loop_.after(ask_again, [this, key] {
    kinds_[key].again = 0;
    serve(key);
  });
}

Result<Till::Settlement> Till::settle(std::uint64_t hold, const Counts& used, bool estimated,
                                      real::Work settled) {
  const auto now = clock_.now();
  const auto open = holder_.log.holds.find(hold);
  if (open != holder_.log.holds.end() && open->second.slice_tokens > 0) {
    // Between two slices a little more may have come than the last one covers: no bound is broken.
    const auto total = lease::extend(holder_, hold, used, used, {}, clock_.since_boot());
    if (total) TRY(write({*total}, journal::Purpose::closing));
  }
  TRY_ASSIGN(const LogRecord record, lease::settle(holder_, hold, used, estimated, now));
  TRY_ASSIGN(const auto sequence, write({record}, journal::Purpose::closing));
  const auto& written = std::get<metering::HoldSettled>(record);
  writer_->when_durable(sequence, std::move(settled));
  resolved();
  return Settlement{written.estimated, written.bound_violation, written.money};
}

void Till::void_hold(std::uint64_t hold, metering::VoidReason reason) {
  const auto record = lease::void_hold(holder_, hold, reason);
  if (!record) return;
  // Not written: the hold stays open and recovery voids it.
  if (!write({*record}, journal::Purpose::closing)) return;
  resolved();
}

// A hold has gone: it may be the last.
void Till::resolved() {
  if (!closing_ || !holder_.log.holds.empty() || !closed_) return;
  const auto last = write({lease::close_log(clock_.now())}, journal::Purpose::closing);
  if (!last) return;
  auto closed = std::exchange(closed_, nullptr);
  writer_->when_durable(*last, [closed = std::move(closed), last = *last] { closed(last); });
}

void Till::recalled(const std::vector<lease::Lease>& leases) {
  if (!writer_ || !take(leases)) return;
  for (const auto& recalled : leases) {
    const auto records = lease::give_back(holder_, recalled.id);
    if (!records.empty() && !write(records, journal::Purpose::closing)) return;
    if (!holder_.log.leases.contains(recalled.id)) continue;
    // The smaller lease binds once it is durable; only then is it told.
    const auto reduced = lease::reduced(holder_, recalled.id);
    writer_->when_durable(writer_->appended(),
                          [this, reduced] { sender_.send(control::FromGateway(reduced)); });
  }
}

void Till::renewed(Duration asked) { lease::renew(holder_, asked); }

void Till::budgets_changed(std::uint64_t budgets) {
  for (auto& [key, kind] : kinds_) {
    if (kind.budgets != budgets) kind.terms = 0;
  }
}

void Till::disconnected() {
  // Who waits for an answer that will not come asks again, once somebody is there.
  std::vector<KindKey> asked;
  for (const auto& [serial, key] : std::exchange(questions_, {})) {
    kinds_[key].asked = 0;
    asked.push_back(key);
  }
  for (const auto& key : asked) serve(key);
}

void Till::close(std::function<void(journal::Sequence)> closed) {
  closing_ = true;
  closed_ = std::move(closed);
  if (writer_) resolved();
}

}  // namespace bessemer::gateway
