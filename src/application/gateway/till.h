// Where a gateway's money is: the leases it holds, the holds of its requests, and its usage log.
#pragma once
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "application/control/messages.h"
#include "application/gateway/catalogue.h"
#include "application/gateway/log_writer.h"
#include "governance/lease/holder.h"
#include "world/world.h"

namespace bessemer::gateway {

using metering::Counts;
using metering::LogRecord;

// What one request is to be held for. Shared by all its steps.
struct Purchase {
  Caller caller;
  std::shared_ptr<Endpoint> endpoint;
  Tariff tariff;
  RequestId request;
  Counts first;  // the bound of the whole request, or of prompt and first slice
  Counts slice;  // of each extension; all 0: never extended
};

// An open hold. `sequence`: its record, durable before a byte of the answer leaves.
struct Held {
  std::uint64_t hold = 0;
  journal::Sequence sequence = 0;
};

// Sends messages to the control plane.
struct ControlSender {
  virtual ~ControlSender() = default;
  virtual bool connected() const = 0;
  virtual void send(const control::FromGateway& message) = 0;
};

// Everything is for the loop's thread. Answers may come before the call returns.
class Till {
 public:
  Till(real::Loop& loop, const world::Clock& clock, ControlSender& sender);
  ~Till();
  Till(const Till&) = delete;

  // A new epoch with its empty log: the first record is written.
  Result<void> begin(GatewayId gateway, std::uint64_t epoch, std::unique_ptr<LogWriter> writer);
  bool is_open() const { return writer_ != nullptr && !closing_; }
  LogWriter* writer() { return writer_.get(); }

  // Opens a hold, borrowing what is missing. Errors: exhausted, with budget_exhausted or, for a
  // wallet, balance_exhausted (never falsely: the control plane has said so), unavailable (it
  // cannot be asked, or others still hold what is missing after lease::budget_wait), invalid.
  using Opened = std::function<void(Result<Held>)>;
  void open(const Purchase& purchase, Opened opened);
  // Extends by a slice; ranks before new holds. Gives the extension's sequence, durable before the
  // first byte of the slice. Errors: as open.
  using Extended = std::function<void(Result<journal::Sequence>)>;
  void extend(const Purchase& purchase, std::uint64_t hold, const Counts& delivered,
              const Counts& total, Extended extended);
  // Charges what was used; never refused for money. `settled` runs when it is durable; it never
  // runs when the log fails, and then nothing may be released.
  struct Settlement {
    bool estimated = false;
    bool bound_violation = false;  // more than was held
    Wide money = 0;
  };
  Result<Settlement> settle(std::uint64_t hold, const Counts& used, bool estimated,
                            real::Work settled);
  void void_hold(std::uint64_t hold, metering::VoidReason reason);

  // ---- from the control plane
  void answered(const control::LeaseAnswer& answer);
  void recalled(const std::vector<lease::Lease>& leases);
  void renewed(Duration asked);         // it answered a question asked then (since boot)
  void budgets_changed(std::uint64_t budgets);
  void disconnected();

  // Closes the log once no hold is open. `closed` runs when that is durable, with the last
  // sequence.
  void close(std::function<void(journal::Sequence)> closed);
  const lease::Holder& holder() const { return holder_; }

 private:
  // Requests of one key for one endpoint at one price draw on the same leases.
  struct KindKey {
    KeyId key;
    EndpointId endpoint;
    PriceBookId version;
    friend auto operator<=>(const KindKey&, const KindKey&) = default;
  };
  struct Waiter {
    Purchase purchase;
    std::uint64_t hold = 0;  // 0: opens; else extends this one
    Counts delivered, total;
    Opened opened;
    Extended extended;
    Duration came;           // since boot
    bool told_to_wait = false;
    int asked = 0;           // how often
  };
  struct Kind {
    std::uint32_t terms = 0;       // 0: not known which leases
    std::vector<LeaseId> leases;   // of the terms
    std::uint64_t budgets = 0;     // as of which the set is known
    std::deque<Waiter> waiting;    // extensions first
    std::uint64_t asked = 0;       // serial of the question under way; 0: none
    Duration asked_at;
    real::Loop::Timer again = 0;
    bool stalled = false;          // nobody has got an answer but "wait" …
    Duration stalled_since;        // … since then
  };

  static KindKey key_of(const Purchase& purchase);
  Result<journal::Sequence> write(const std::vector<LogRecord>& records,
                                  journal::Purpose purpose);
  // Tries the first waiters until one has to wait.
  void serve(const KindKey& key);
  // `ask`: borrow that, and come again.
  enum class Step : std::uint8_t { done, ask };
  Step attempt(Kind& kind, lease::Ask& missing);
  Result<Held> attempt_open(Kind& kind, const Waiter& waiter, lease::Ask& missing);
  Result<journal::Sequence> attempt_extension(const Waiter& waiter, lease::Ask& missing);
  void ask(const KindKey& key, Kind& kind, const lease::Ask& missing);
  void refuse_first(Kind& kind, const Error& error);
  Result<void> take(const std::vector<lease::Lease>& leases);
  Result<void> learn(Kind& kind, const control::LeaseAnswer& answer);
  // Lets the first waiter ask again in a moment, unless nothing has moved for lease::budget_wait
  // and it was there all the time: then it is refused for that reason.
  void wait_more(const KindKey& key, Kind& kind, const Error& otherwise);
  void resolved();

  real::Loop& loop_;
  const world::Clock& clock_;
  ControlSender& sender_;
  lease::Holder holder_;
  std::unique_ptr<LogWriter> writer_;
  std::map<KindKey, Kind> kinds_;
  std::map<std::uint64_t, KindKey> questions_;  // by serial
  std::uint64_t last_serial_ = 0;
  std::function<void(journal::Sequence)> closed_;
  bool closing_ = false;
};

}  // namespace bessemer::gateway
